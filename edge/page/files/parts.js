// Parts that the views of machines and of commands share.
import {stateClass} from "./charts.js";
import {el} from "./dom.js";
import {words} from "./format.js";

const UNITS = new Map([["Cel", "°C"], ["kW.h", "kWh"], ["mm3/s", "mm³/s"]]);

/** Return a unit as people write it; messages have codes of UCUM. */
export function unitOf(unit) {
  return UNITS.get(unit) ?? unit ?? "";
}

const shownAs = new WeakMap();

/** Return whether a node shows something else than it is to show now; what is not replaced keeps focus and selection. */
export function isNew(node, content) {
  const text = JSON.stringify(content);
  return shownAs.get(node) !== text && Boolean(shownAs.set(node, text));
}

/** Return the address of a machine's view. */
export function linkTo(id, path = "machines") {
  return `#/${path}/${encodeURIComponent(id)}`;
}

export function card(title, ...children) {
  return el("section", {class: "card"}, el("h2", {}, title), children);
}

/** Return a table. body: its tbody. */
export function table(name, heads, body) {
  const head = el("tr", {}, heads.map((each) => el("th", {scope: "col"}, each)));
  return el("table", {class: `data ${name}`}, el("thead", {}, head), body);
}

/** Return the state of a machine, with its colour. */
export function stateChip({machine, overview}) {
  const producing = overview?.types[machine.machine_type]?.producing;
  return el("span", {class: "chip"}, el("span", {class: `dot ${stateClass(machine.state, producing)}`}), words(machine.state));
}

/** Return the names of a machine's faults. */
export function faultsOf({faults}) {
  return el("span", {class: "bad"}, `✕ ${faults.map(({fault}) => fault).join(", ")}`);
}
