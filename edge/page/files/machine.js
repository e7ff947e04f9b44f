// The machines: a list with filters, a page at a time. One machine is in a module of its own.
import {stateClass} from "./charts.js";
import {el, keyed, set, show, write} from "./dom.js";
import {follow} from "./follow.js";
import {number, percent, since, words} from "./format.js";
import {mountMachine} from "./machine-detail.js";
import {linkTo, table} from "./parts.js";

const PAGE = 50;
const AGAIN_MS = 2000;
const PAUSE_MS = 200;
const FILTERS = {
  type: ["machine_type", "Type", "All types"],
  state: ["state", "State", "All states"],
  fault: ["fault", "Fault", "With or without"],
  text: ["text", "Part of the id"],
}; // by the name in the page's address: the parameter of the call, the label, the choice of none

export const view = {
  path: "machines",
  title: "Machines",
  mount: (root, context, argument) => (argument === null ? mountList : mountMachine)(root, context, argument),
};

function mountList(root, context) {
  const {live, api, query: given} = context;
  const inputs = Object.entries(FILTERS).map(([name, [, , none]]) => {
    const id = `filter-${name}`;
    return none ? el("select", {id, name}) : el("input", {id, name, type: "search", autocomplete: "off", value: given.get(name) ?? ""});
  });
  const fields = inputs.map((input) => el("div", {class: "field"}, el("label", {for: input.id}, FILTERS[input.name][1]), input));
  const rows = el("tbody");
  const fill = keyed(rows, rowOf, ({machine}) => machine.machine_id);
  const made = table("machines", ["Machine", "Type", "State", "For", "Job", "Faults and alarms"], rows);
  const note = el("p", {class: "empty"}, "Loading.");
  const range = el("p", {class: "muted"});
  const back = el("button", {type: "button", on: {click: () => load(before.pop())}}, "Previous");
  const forth = el("button", {type: "button", on: {click: () => load(next, before.push(page))}}, "Next");
  const before = []; // the pages before this one
  let found = null; // what is shown
  let types = [];
  let page = null;
  let next = null;
  let turn = 0;
  let timer = 0;

  show(
    root,
    el("h1", {}, "Machines"),
    el(
      "div",
      {class: "card stack"},
      el("form", {class: "filters", role: "search", on: {submit: (event) => event.preventDefault(), input: filtered}}, fields),
      el("div", {class: "scroll-x"}, made),
      note,
      el("nav", {class: "row", "aria-label": "Pages of machines"}, back, forth, range),
    ),
  );

  const wanted = () => inputs.map(({name, value}) => [name, value.trim()]).filter(([, value]) => value);

  function filtered({target}) {
    clearTimeout(timer);
    turn += 1; // what is asked for already is of other filters
    if (target.name === "type") offer();
    timer = setTimeout(restart, target.name === "text" ? PAUSE_MS : 0);
  }

  function restart() {
    history.replaceState(null, "", `#/machines?${new URLSearchParams(wanted())}`);
    before.length = 0;
    load(null);
  }

  async function load(path) {
    clearTimeout(timer);
    const mine = (turn += 1);
    const begin = performance.now();
    const asked = new URLSearchParams([...wanted().map(([name, value]) => [FILTERS[name][0], value]), ["limit", PAGE]]);
    page = path;
    try {
      const answer = await api.get(path ?? `/api/v1/machines?${asked}`);
      if (mine !== turn) return;
      found = answer;
      next = found.next ?? null;
      list();
    } catch (error) {
      if (mine !== turn) return;
      found = next = null;
      say(`✕ ${error.detail}`);
    }
    set(back, "disabled", page === null);
    set(forth, "disabled", next === null);
    timer = setTimeout(again, AGAIN_MS + 10 * (performance.now() - begin)); // a search of many machines costs more
  }

  function again() {
    if (document.visibilityState === "visible") load(page);
    else timer = setTimeout(again, AGAIN_MS);
  }

  function say(text) {
    write(note, text);
    note.hidden = text === "";
    made.hidden = text !== "";
  }

  function list() {
    const {now, machines} = found;
    fill(machines.map((machine) => ({machine, now, producing: live.overview?.types[machine.machine_type]?.producing})));
    const isAll = wanted().length === 0;
    say(machines.length ? "" : isAll ? "The plant has no machines. The command centre can add some." : "No machine is like this now. Choose fewer filters.");
    const first = before.length * PAGE + 1;
    const total = isAll ? ` of ${number(live.overview?.machines)}` : "";
    write(range, machines.length ? `${number(first)} to ${number(first + machines.length - 1)}${total}` : "");
  }

  /** Offer what the types have that are chosen. A choice from the page's address is kept, also where nothing has it. */
  function offer() {
    const chosen = inputs[0].value || given.get("type");
    const own = types.filter((each) => !chosen || each.machine_type === chosen);
    const namesOf = (entries) => own.flatMap((each) => entries(each).map(({name}) => name));
    const now = own.flatMap((each) => Object.keys(live.overview?.types[each.machine_type]?.states ?? {}));
    const states = [...namesOf((each) => each.states), ...now, "stopped"];
    const faults = namesOf((each) => [...each.faults, ...each.wear]);
    [types.map((each) => each.machine_type), states, faults].forEach((values, place) => {
      const input = inputs[place];
      const value = input.value || given.get(input.name) || "";
      const all = new Set(value ? [...values, value] : values);
      show(input, el("option", {value: ""}, FILTERS[input.name][2]), [...all].map((each) => el("option", {value: each}, each)));
      input.value = value;
      given.delete(input.name);
    });
  }

  const {now, end} = follow(context, () => {
    if (found) list();
    if (now.types === types) return;
    types = now.types;
    offer();
  });
  offer();
  load(null);
  return () => {
    end();
    clearTimeout(timer);
    turn += 1;
  };
}

/** Return the row of a machine: {node, update}. */
function rowOf({machine: {machine_id: id, machine_type: kind}}) {
  const parts = Array.from({length: 6}, () => el("span"));
  const [dot, state, age, job, faults, alarms] = parts;
  const cells = [kind, [dot, " ", state], age, job, [faults, " ", alarms]].map((each) => el("td", {}, each));
  const node = el("tr", {}, el("th", {scope: "row"}, el("a", {href: linkTo(id)}, id)), cells);
  const fillPart = ([text, name], place) => {
    write(parts[place], text);
    set(parts[place], "class", name);
  };
  return {node, update: (item) => texts(item).forEach(fillPart)};
}

function texts({machine: {state, since: begin, job, faults, alarms}, now, producing}) {
  const isFine = faults.length + alarms.length === 0;
  return [
    ["", `dot ${stateClass(state, producing)}`],
    [words(state)],
    [since(begin, now)],
    [job ? `${job.kind ?? job.id} ${percent(job.progress, 0)}` : "–"],
    isFine ? ["none", "muted"] : [faults.length ? `✕ ${faults.map((each) => each.fault).join(", ")}` : "", "bad"],
    [alarms.length ? `⚠ ${alarms.join(", ")}` : "", "warn"],
  ];
}
