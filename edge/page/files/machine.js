// The machines: a list with filters, a page at a time. One machine is in a module of its own.
import {stateClass} from "./charts.js";
import {el, set, show, write} from "./dom.js";
import {follow} from "./follow.js";
import {number, percent, since, words} from "./format.js";
import {mountMachine} from "./machine-detail.js";
import {linkTo, table} from "./parts.js";

const PAGE = 50;
const AGAIN_MS = 4000;
const SLOW_MS = 300;
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
  const {live, api} = context;
  const given = new URLSearchParams(location.hash.split("?")[1]);
  const inputs = Object.entries(FILTERS).map(([name, [, , none]]) => {
    const id = `filter-${name}`;
    return none ? el("select", {id, name}) : el("input", {id, name, type: "search", autocomplete: "off", value: given.get(name) ?? ""});
  });
  const fields = inputs.map((input) => el("div", {class: "field"}, el("label", {for: input.id}, FILTERS[input.name][1]), input));
  const rows = el("tbody");
  const made = table("machines", ["Machine", "Type", "State", "For", "Job", "Faults and alarms"], rows);
  const note = el("p", {class: "empty"}, "Loading.");
  const range = el("p", {class: "muted"});
  const back = el("button", {type: "button", on: {click: () => load(before.pop())}}, "Previous");
  const forth = el("button", {type: "button", on: {click: () => load(next, before.push(page))}}, "Next");
  const before = []; // the pages before this one
  let shown = new Map(); // rows by id
  let types = null;
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
      const found = await api.get(path ?? `/api/v1/machines?${asked}`);
      if (mine !== turn) return;
      next = found.next ?? null;
      list(found);
    } catch (error) {
      if (mine !== turn) return;
      next = null;
      say(`✕ ${error.detail}`);
    }
    set(back, "disabled", page === null);
    set(forth, "disabled", next === null);
    timer = setTimeout(again, performance.now() - begin > SLOW_MS ? 10 * AGAIN_MS : AGAIN_MS);
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

  function list({now, machines}) {
    shown = new Map(machines.map((machine) => [machine.machine_id, filled(shown.get(machine.machine_id) ?? newRow(machine), machine, now)]));
    const nodes = [...shown.values()].map((each) => each.node);
    if (nodes.length !== rows.children.length || nodes.some((node, place) => node !== rows.children[place])) show(rows, nodes);
    const isAll = wanted().length === 0;
    say(nodes.length ? "" : isAll ? "The plant has no machines. The command centre can add some." : "No machine is like this now. Choose fewer filters.");
    const first = before.length * PAGE + 1;
    write(range, nodes.length ? `${number(first)} to ${number(first + nodes.length - 1)}${isAll ? ` of ${number(live.overview?.machines)}` : ""}` : "");
  }

  function newRow({machine_id: id, machine_type: kind}) {
    const parts = Array.from({length: 6}, () => el("span"));
    const [dot, state, age, job, faults, alarms] = parts;
    const cells = [kind, [dot, " ", state], age, job, [faults, " ", alarms]].map((each) => el("td", {}, each));
    return {parts, node: el("tr", {}, el("th", {scope: "row"}, el("a", {href: linkTo(id)}, id)), cells)};
  }

  function filled(row, {machine_type: kind, state, since: begin, job, faults, alarms}, now) {
    const isFine = faults.length + alarms.length === 0;
    const texts = [
      ["", `dot ${stateClass(state, live.overview?.types[kind]?.producing)}`],
      [words(state)],
      [since(begin, now)],
      [job ? `${job.kind ?? job.id} ${percent(job.progress, 0)}` : "–"],
      isFine ? ["none", "muted"] : [faults.length ? `✕ ${faults.map((each) => each.fault).join(", ")}` : "", "bad"],
      [alarms.length ? `⚠ ${alarms.join(", ")}` : "", "warn"],
    ];
    texts.forEach(([text, name], place) => {
      write(row.parts[place], text);
      set(row.parts[place], "class", name);
    });
    return row;
  }

  /** Offer what the types have that are chosen. A choice from the page's address is kept, also where nothing has it. */
  function offer() {
    const chosen = inputs[0].value || given.get("type");
    const own = (types ?? []).filter((each) => !chosen || each.machine_type === chosen);
    const states = own.flatMap((each) => [...each.states.map(({name}) => name), ...Object.keys(live.overview?.types[each.machine_type]?.states ?? {})]);
    const faults = own.flatMap((each) => [...each.faults, ...each.wear].map(({name}) => name));
    [(types ?? []).map((each) => each.machine_type), [...states, "stopped"], faults].forEach((values, place) => {
      const input = inputs[place];
      const value = input.value || given.get(input.name) || "";
      const all = new Set(value ? [...values, value] : values);
      show(input, el("option", {value: ""}, FILTERS[input.name][2]), [...all].map((each) => el("option", {value: each}, each)));
      input.value = value;
      given.delete(input.name);
    });
  }

  const {now, end} = follow(context, () => {
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
