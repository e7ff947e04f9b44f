// The command centre: what can be done to a machine and to the plant, with the answers, and who did what.
import {actionForm, quickActions} from "./actions.js";
import {MACHINE_GROUPS, PLANT_ACTIONS, whyNotPermitted} from "./commands.js";
import {el, set, show, write} from "./dom.js";
import {follow} from "./follow.js";
import {since} from "./format.js";
import {journalTable} from "./journal.js";
import {card, faultsOf, linkTo, stateChip} from "./parts.js";
import {machinePicker} from "./picker.js";

export const view = {path: "control", title: "Control", mount};

function mount(root, context, argument) {
  const target = () => ({machine_id: now.id});
  const form = (action) => actionForm(action, context, target);
  const picker = machinePicker(context, choose);
  const summary = el("span", {class: "row"});
  const more = el("a", {}, "Signals and messages");
  const notice = el("p", {class: "notice warn", hidden: true});
  const quick = quickActions(context, target);
  const groups = Object.entries(MACHINE_GROUPS).map(([title, actions]) => [title, actions.map(form)]);
  const ofMachine = [quick, ...groups.flatMap(([, forms]) => forms)];
  const plant = PLANT_ACTIONS.map((each) => actionForm(each, context));
  const journal = journalTable(context);
  const followed = follow(context, update);
  const {now} = followed;

  show(
    root,
    el("h1", {}, "Command centre"),
    el(
      "div",
      {class: "stack"},
      notice,
      card("A machine", el("div", {class: "chosen"}, picker.node, el("p", {class: "row"}, summary, more)), quick.node),
      el("div", {class: "grid fit"}, groups.map(([title, forms]) => card(title, forms.map((each) => each.node)))),
      card("The plant", el("div", {class: "plant-actions"}, plant.map((each) => each.node))),
      card("Journal", journal.node),
    ),
  );

  function choose(id) {
    picker.choose(id);
    history.replaceState(null, "", linkTo(id, "control"));
    followed.watch(id);
  }

  function why() {
    if (now.id === null) return "Choose a machine: its commands are possible then.";
    if (now.error !== null) return `✕ ${now.error}`;
    return now.type === null ? "Loading." : null;
  }

  function update() {
    const forbidden = whyNotPermitted(now, context.api);
    notice.hidden = forbidden === null;
    write(notice, forbidden);
    ofMachine.forEach((each) => each.update(now, forbidden ?? why()));
    plant.forEach((each) => each.update(now, forbidden));
    show(summary, summarised());
    more.hidden = why() !== null;
    set(more, "href", now.id === null ? null : linkTo(now.id));
    journal.update();
  }

  function summarised() {
    if (why() !== null) return el("span", {class: now.error === null ? "muted" : "bad"}, why());
    const {machine} = now;
    return [
      stateChip(now),
      el("span", {class: "muted"}, `for ${since(machine.since, machine.at)}`),
      machine.faults.length ? faultsOf(machine) : el("span", {class: "good"}, "✓ no faults"),
    ];
  }

  if (argument === null) update();
  else choose(argument);
  return followed.end;
}
