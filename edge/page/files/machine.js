// The machines: a list with filters, a page at a time; and one machine, in a module of its own.
import {stateClass} from "./charts.js";
import {followTypes} from "./commands.js";
import {el, set, show, write} from "./dom.js";
import {number, percent, since, words} from "./format.js";
import {mountMachine} from "./machine-detail.js";

const PAGE = 50;
const AGAIN_MS = 4000;
const SLOW_MS = 300;
const PAUSE_MS = 200;
const COLUMNS = ["Machine", "Type", "State", "For", "Job", "Faults", "Alarms"];

export const view = {
  path: "machines",
  title: "Machines",
  mount: (root, context, argument) => (argument === null ? mountList(root, context) : mountMachine(root, context, argument)),
};

function mountList(root, context) {
  const {live, api} = context;
  const given = new URLSearchParams(location.hash.split("?")[1] ?? "");
  const filters = {
    type: filter("Type", "All types", given.get("type")),
    state: filter("State", "All states", given.get("state")),
    fault: filter("Fault", "Any or none", given.get("fault")),
  };
  const text = el("input", {id: "filter-text", type: "search", spellcheck: "false", autocomplete: "off", value: given.get("text") ?? ""});
  const rows = el("tbody");
  const table = el("table", {class: "data machines"}, el("thead", {}, el("tr", {}, COLUMNS.map((each) => el("th", {scope: "col"}, each)))), rows);
  const note = el("p", {class: "empty"}, "Loading.");
  const summary = el("p", {class: "muted"});
  const back = el("button", {type: "button", on: {click: () => turnTo(before.pop())}}, "Previous");
  const forth = el("button", {type: "button", on: {click: () => turnTo(next, before.push(page))}}, "Next");
  const shown = new Map();
  const before = [];
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
      el(
        "form",
        {class: "filters", role: "search", on: {submit: (event) => event.preventDefault()}},
        Object.values(filters).map((each) => each.node),
        el("div", {class: "field"}, el("label", {for: "filter-text"}, "Part of the id"), text),
      ),
      el("div", {class: "scroll-x"}, table),
      note,
      el("nav", {class: "row", "aria-label": "Pages of machines"}, back, forth, summary),
    ),
  );

  const wanted = () => ({
    machine_type: filters.type.value(),
    state: filters.state.value(),
    fault: filters.fault.value(),
    text: text.value.trim(),
  });
  const isFiltered = () => Object.values(wanted()).some(Boolean);

  function restart() {
    const found = Object.entries({type: filters.type.value(), state: filters.state.value(), fault: filters.fault.value(), text: text.value.trim()});
    const query = new URLSearchParams(found.filter(([, value]) => value)).toString();
    history.replaceState(null, "", `#/machines${query && `?${query}`}`);
    before.length = 0;
    turnTo(null);
  }

  function turnTo(path) {
    page = path ?? null;
    load();
  }

  async function load() {
    clearTimeout(timer);
    const mine = (turn += 1);
    const asked = new URLSearchParams(Object.entries({...wanted(), limit: PAGE}).filter(([, value]) => value));
    const begin = performance.now();
    try {
      const found = await api.get(page ?? `/api/v1/machines?${asked}`);
      if (mine !== turn) return;
      next = found.next ?? null;
      list(found);
    } catch (error) {
      if (mine !== turn) return;
      show(rows);
      shown.clear();
      say(`✕ ${error.detail ?? error.message}`);
      next = null;
    }
    set(back, "disabled", page === null);
    set(forth, "disabled", next === null);
    const pause = performance.now() - begin > SLOW_MS ? 10 * AGAIN_MS : AGAIN_MS;
    timer = setTimeout(again, pause);
  }

  function again() {
    if (document.visibilityState === "visible") load();
    else timer = setTimeout(again, AGAIN_MS);
  }

  function say(what) {
    write(note, what ?? "");
    note.hidden = !what;
    table.hidden = Boolean(what);
  }

  function list({now, machines}) {
    const kept = machines.map((machine) => rowOf(machine, now));
    const ids = new Set(machines.map((each) => each.machine_id));
    for (const id of [...shown.keys()].filter((each) => !ids.has(each))) shown.delete(id);
    if (kept.length !== rows.childNodes.length || kept.some((row, place) => row !== rows.childNodes[place])) show(rows, kept);
    const none = isFiltered() ? "No machine is like this now. Choose fewer filters." : "The plant has no machines. Add some in the command centre: number of machines.";
    say(machines.length ? null : none);
    const first = before.length * PAGE + 1;
    const range = machines.length ? `${number(first)} to ${number(first + machines.length - 1)}` : "";
    write(summary, range && `${range}${isFiltered() ? "" : ` of ${number(live.overview?.machines)}`}, as of now`);
  }

  function rowOf(machine, now) {
    const row = shown.get(machine.machine_id) ?? newRow(machine);
    const producing = live.overview?.types?.[machine.machine_type]?.producing;
    set(row.dot, "class", `dot ${stateClass(machine.state, producing)}`);
    const {job, faults, alarms} = machine;
    [
      words(machine.state),
      since(machine.since, now),
      job ? `${job.kind ?? job.id} ${percent(job.progress, 0)}` : "–",
      faults.length ? `✕ ${faults.map((each) => each.fault).join(", ")}` : "none",
      alarms.length ? `⚠ ${alarms.join(", ")}` : "none",
    ].forEach((each, place) => write(row.cells[place], each));
    set(row.cells[3], "class", faults.length ? "bad" : "muted");
    set(row.cells[4], "class", alarms.length ? "warn" : "muted");
    return row.node;
  }

  function newRow({machine_id: id, machine_type: kind}) {
    const dot = el("span", {class: "dot"});
    const state = el("span");
    const cells = [el("td"), el("td"), el("td"), el("td")];
    const link = el("a", {href: `#/machines/${encodeURIComponent(id)}`}, id);
    const node = el("tr", {}, el("th", {scope: "row"}, link), el("td", {}, kind), el("td", {class: "state"}, dot, " ", state), cells);
    const row = {node, dot, cells: [state, ...cells]};
    shown.set(id, row);
    return row;
  }

  function onTypes({types}) {
    const distinct = (names) => [...new Set(names)];
    const kind = filters.type.value();
    const chosen = types.filter((each) => !kind || each.machine_type === kind);
    filters.type.offer(types.map((each) => each.machine_type));
    const there = chosen.flatMap((each) => Object.keys(live.overview?.types?.[each.machine_type]?.states ?? {}));
    filters.state.offer(distinct([...chosen.flatMap((each) => each.states.map(({name}) => name)), ...there, "stopped"]));
    filters.fault.offer(distinct(chosen.flatMap((each) => [...each.faults, ...each.wear].map(({name}) => name))));
    known = {types};
  }

  let known = null;
  const typed = () => {
    clearTimeout(timer);
    timer = setTimeout(restart, PAUSE_MS);
  };
  text.addEventListener("input", typed);
  for (const each of Object.values(filters)) {
    each.input.addEventListener("change", () => {
      if (known) onTypes(known);
      restart();
    });
  }
  const end = followTypes(context, onTypes, (error) => context.announce(`Filters: ${error.detail ?? error.message}`));
  load();
  return () => {
    end();
    clearTimeout(timer);
    turn += 1;
  };
}

/** Return a filter: a select whose first choice is none. given: what it is set to, also before it is offered. */
function filter(label, none, given) {
  const id = `filter-${label.toLowerCase()}`;
  const input = el("select", {id});
  const offer = (names) => {
    const chosen = input.value || given || "";
    given = null;
    const all = chosen && !names.includes(chosen) ? [...names, chosen] : names;
    show(input, el("option", {value: ""}, none), all.map((name) => el("option", {value: name}, name)));
    input.value = chosen;
  };
  offer([]);
  return {input, offer, node: el("div", {class: "field"}, el("label", {for: id}, label), input), value: () => input.value};
}
