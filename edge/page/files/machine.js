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
const PARAMETERS = {type: "machine_type", state: "state", fault: "fault", text: "text"}; // in the page's address: in the call's

export const view = {
  path: "machines",
  title: "Machines",
  mount: (root, context, argument) => (argument === null ? mountList(root, context) : mountMachine(root, context, argument)),
};

function mountList(root, context) {
  const {live, api} = context;
  const given = new URLSearchParams(location.hash.split("?")[1]);
  const attributes = (name) => ({id: `filter-${name}`});
  const inputs = {
    type: el("select", attributes("type")),
    state: el("select", attributes("state")),
    fault: el("select", attributes("fault")),
    text: el("input", {...attributes("text"), type: "search", spellcheck: "false", autocomplete: "off", value: given.get("text") ?? ""}),
  };
  const labels = {type: "Type", state: "State", fault: "Fault", text: "Part of the id"};
  const fields = Object.entries(inputs).map(([name, input]) => el("div", {class: "field"}, el("label", {for: input.id}, labels[name]), input));
  const rows = el("tbody");
  const made = table("machines", ["Machine", "Type", "State", "For", "Job", "Faults and alarms"], rows);
  const note = el("p", {class: "empty"}, "Loading.");
  const range = el("p", {class: "muted"});
  const back = el("button", {type: "button", on: {click: () => load(before.pop())}}, "Previous");
  const forth = el("button", {type: "button", on: {click: () => load(next, before.push(page))}}, "Next");
  const shown = new Map(); // rows by id
  const before = []; // the pages before this one
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
      el("form", {class: "filters", role: "search", on: {submit: (event) => event.preventDefault()}}, fields),
      el("div", {class: "scroll-x"}, made),
      note,
      el("nav", {class: "row", "aria-label": "Pages of machines"}, back, forth, range),
    ),
  );

  const wanted = () => Object.entries(inputs).map(([name, {value}]) => [name, value.trim()]).filter(([, value]) => value);

  function restart() {
    const query = new URLSearchParams(wanted()).toString();
    history.replaceState(null, "", `#/machines${query && `?${query}`}`);
    before.length = 0;
    load(null);
  }

  async function load(path) {
    clearTimeout(timer);
    const mine = (turn += 1);
    const begin = performance.now();
    const asked = new URLSearchParams([...wanted().map(([name, value]) => [PARAMETERS[name], value]), ["limit", PAGE]]);
    page = path;
    try {
      const found = await api.get(path ?? `/api/v1/machines?${asked}`);
      if (mine !== turn) return;
      next = found.next ?? null;
      list(found);
    } catch (error) {
      if (mine !== turn) return;
      next = null;
      shown.clear();
      show(rows);
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
    const kept = new Map(machines.map((machine) => [machine.machine_id, rowOf(machine, now)]));
    const nodes = [...kept.values()].map((each) => each.node);
    shown.clear();
    kept.forEach((row, id) => shown.set(id, row));
    if (nodes.length !== rows.children.length || nodes.some((node, place) => node !== rows.children[place])) show(rows, nodes);
    const isFiltered = wanted().length > 0;
    const none = isFiltered ? "No machine is like this now. Choose fewer filters." : "The plant has no machines. The command centre can add some.";
    say(nodes.length ? "" : none);
    const first = before.length * PAGE + 1;
    const total = isFiltered ? "" : ` of ${number(live.overview?.machines)}`;
    write(range, nodes.length ? `${number(first)} to ${number(first + nodes.length - 1)}${total}` : "");
  }

  function rowOf(machine, now) {
    const row = shown.get(machine.machine_id) ?? newRow(machine);
    const {state, job, faults, alarms} = machine;
    set(row.dot, "class", `dot ${stateClass(state, live.overview?.types?.[machine.machine_type]?.producing)}`);
    const cells = [
      words(state),
      since(machine.since, now),
      job ? `${job.kind ?? job.id} ${percent(job.progress, 0)}` : "–",
      faults.length ? `✕ ${faults.map((each) => each.fault).join(", ")} ` : "",
      alarms.length ? `⚠ ${alarms.join(", ")}` : faults.length ? "" : "none",
    ];
    cells.forEach((text, place) => write(row.cells[place], text));
    set(row.cells[4], "class", alarms.length ? "warn" : "muted");
    return row;
  }

  function newRow({machine_id: id, machine_type: kind}) {
    const dot = el("span");
    const [state, faults, alarms] = [el("span"), el("span", {class: "bad"}), el("span")];
    const [age, job] = [el("td"), el("td")];
    const link = el("a", {href: linkTo(id)}, id);
    const node = el("tr", {}, el("th", {scope: "row"}, link), el("td", {}, kind), el("td", {}, dot, " ", state), age, job, el("td", {}, faults, alarms));
    return {node, dot, cells: [state, age, job, faults, alarms]};
  }

  /** Offer what the types have that are chosen. A choice from the page's address is kept, also where nothing has it. */
  function offer() {
    const chosen = inputs.type.value || given.get("type") || "";
    const own = types.filter((each) => !chosen || each.machine_type === chosen);
    const states = own.flatMap((each) => [...each.states.map(({name}) => name), ...Object.keys(live.overview?.types?.[each.machine_type]?.states ?? {})]);
    options("type", "All types", types.map((each) => each.machine_type));
    options("state", "All states", [...states, "stopped"]);
    options("fault", "With or without", own.flatMap((each) => [...each.faults, ...each.wear].map(({name}) => name)));
    for (const name of Object.keys(inputs)) given.delete(name);
  }

  function options(name, none, values) {
    const chosen = inputs[name].value || given.get(name) || "";
    const all = new Set(chosen ? [...values, chosen] : values);
    show(inputs[name], el("option", {value: ""}, none), [...all].map((value) => el("option", {value}, value)));
    inputs[name].value = chosen;
  }

  for (const input of Object.values(inputs)) {
    input.addEventListener("input", () => {
      clearTimeout(timer);
      turn += 1;
      if (input === inputs.type) offer();
      timer = setTimeout(restart, input === inputs.text ? PAUSE_MS : 0);
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
