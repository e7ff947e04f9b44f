// The command centre: what can be done to a machine and to the plant, with the answers, and who did what.
import {actionForm, quickActions} from "./actions.js";
import {stateClass} from "./charts.js";
import {followTypes, MACHINE_GROUPS, PLANT_ACTIONS, whyNotPermitted} from "./commands.js";
import {el, set, show, write} from "./dom.js";
import {clock, count, since, words} from "./format.js";
import {journalTable} from "./journal.js";
import {machinePicker} from "./picker.js";

export const view = {path: "control", title: "Control", mount};

function mount(root, context, argument) {
  const {live, api} = context;
  const now = {machine: null, type: null, types: null, events: [], overview: live.overview};
  let chosen = argument;
  let error = null;

  const target = () => ({machine_id: chosen});
  const picker = machinePicker(context, choose);
  const summary = el("p", {class: "row"});
  const notice = el("p", {class: "notice warn", hidden: true});
  const quick = quickActions(context, target);
  const groups = MACHINE_GROUPS.map(([title, actions]) => [title, actions.map((each) => actionForm(each, context, target))]);
  const plant = PLANT_ACTIONS.map((each) => actionForm(each, context));
  const journal = journalTable(context);

  show(
    root,
    el("h1", {}, "Command centre"),
    el(
      "div",
      {class: "stack"},
      notice,
      el("section", {class: "card chosen"}, el("h2", {}, "A machine"), el("div", {class: "chosen-row"}, picker.node, summary), quick.node),
      el("div", {class: "grid fit"}, groups.map(([title, forms]) => card(title, forms))),
      card("The plant", plant, "plant-actions"),
      el("section", {class: "card"}, el("h2", {}, "Journal"), journal.node),
    ),
  );

  function choose(id) {
    chosen = id;
    error = null;
    Object.assign(now, {machine: null, type: null});
    picker.choose(id);
    live.watch({machine: id, traffic: null});
    history.replaceState(null, "", `#/control/${encodeURIComponent(id)}`);
    update();
  }

  function why() {
    if (chosen === null) return "Choose a machine: its commands are possible then.";
    if (error !== null) return "There is no such machine.";
    return now.type === null ? "Loading." : null;
  }

  function update() {
    now.overview = live.overview;
    now.type = now.types?.find((each) => each.machine_type === now.machine?.machine_type) ?? null;
    const forbidden = live.overview ? whyNotPermitted(live.overview, api) : "Waiting for the simulator.";
    set(notice, "hidden", forbidden === null);
    write(notice, forbidden);
    const brief = forbidden && "Not permitted: see above.";
    quick.update(now, brief || why());
    for (const [, forms] of groups) forms.forEach((each) => each.update(now, brief || why()));
    plant.forEach((each) => each.update(now, brief || (now.types ? null : "Loading.")));
    show(summary, summarised());
  }

  function summarised() {
    if (error !== null) return el("span", {class: "bad"}, `✕ ${error}`);
    const {machine, type} = now;
    if (machine === null) return el("span", {class: "muted"}, why());
    const producing = type?.states.find((each) => each.produces)?.name ?? null;
    const faults = machine.faults.map(({fault}) => fault).join(", ");
    return [
      el("span", {class: "chip"}, el("span", {class: `dot ${stateClass(machine.state, producing)}`}), words(machine.state)),
      el("span", {class: "muted"}, `for ${since(machine.since, machine.at)}`),
      faults ? el("span", {class: "bad"}, `✕ ${count(machine.faults.length, "fault")}: ${faults}`) : el("span", {class: "good"}, "✓ no faults"),
      el("a", {href: `#/machines/${encodeURIComponent(machine.machine_id)}`}, "Signals and messages"),
    ];
  }

  function onMachine({detail}) {
    if (chosen === null) return;
    const found = detail.machine;
    if (found && found.machine_id !== chosen) return; // of the one before
    now.machine = found ?? null;
    error = found ? null : (detail.error ?? "There is no such machine.");
    update();
  }
  function onRefused({detail}) {
    error = detail.detail;
    update();
  }
  function onOverview({detail}) {
    if (detail.has("journal")) journal.update();
    update();
  }

  live.addEventListener("machine", onMachine);
  live.addEventListener("refused", onRefused);
  live.addEventListener("overview", onOverview);
  const end = followTypes(
    context,
    (known) => update(Object.assign(now, known)),
    (failed) => {
      now.types = null;
      context.announce(`Machine types: ${failed.detail ?? failed.message}`);
      update();
    },
  );
  if (chosen !== null) choose(chosen);
  else update();

  return () => {
    end();
    live.removeEventListener("machine", onMachine);
    live.removeEventListener("refused", onRefused);
    live.removeEventListener("overview", onOverview);
    live.watch();
  };
}

function card(title, forms, name = "") {
  return el("section", {class: `card ${name}`}, el("h2", {}, title), forms.map((each) => each.node));
}
