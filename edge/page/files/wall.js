/** The machines by type and state: a tile each, or, where there are many, one block for each type. */

import {legend, segments, stateClass} from "./charts.js";
import {el, els, keyed, set, show, write} from "./dom.js";
import {count, number, percent, words} from "./format.js";

const COMPACT = 60;
const LONGEST_ID = 16;

export const ROLES = ["producing", "other", "waiting", "planned", "stopped", "faulted"];

export function wall(api) {
  const titles = new Map();
  const list = el("div", {class: "types"});
  const nothing = el("p", {class: "empty"}, "No machine runs here. ", el("a", {href: "#/plant"}, "The plant"), " says which there are; ", el("a", {href: "#/control"}, "the command centre"), " switches types on.");
  const types = keyed(list, ([kind]) => type(kind, titles), ([kind]) => kind);
  let tiles = [];
  let kinds = "";

  const learn = async (overview) => {
    const now = Object.keys(overview.types).join(" ");
    if (now === kinds) return;
    kinds = now;
    const found = await api.get("/api/v1/machine-types").catch(() => ({machine_types: []}));
    found.machine_types.forEach((each) => titles.set(each.machine_type, each.title));
    types(Object.entries(overview.types));
  };
  const rebuild = (rows) => {
    tiles = rows.map(tile);
    for (const section of list.children) {
      const own = tiles.filter((each) => each.kind === section.dataset.kind).map((each) => each.node);
      show(section.lastChild, own).hidden = own.length === 0;
    }
  };
  return {
    node: el("section", {class: "card"}, el("h2", {}, "Machines"), list, nothing),
    keys: ["types", "tiles", "machines"],
    update(overview) {
      const rows = overview.tiles ?? [];
      list.classList.toggle("blocks", !overview.tiles);
      list.classList.toggle("compact", rows.length > COMPACT);
      types(Object.entries(overview.types));
      if (tiles.length !== rows.length || tiles.some((each, place) => each.id !== rows[place][0])) rebuild(rows);
      rows.forEach((row, place) => tiles[place].update(row, overview.types));
      nothing.hidden = overview.machines > 0;
      learn(overview);
    },
    tiles(rows, overview) {
      rows.forEach(([place, row]) => tiles[place]?.update(row, overview.types));
    },
  };
}

function type(kind, titles) {
  const name = el("a", {href: `#/machines?type=${encodeURIComponent(kind)}`});
  const [machines, wrong, figure] = els("span", "muted", "bad", "type-oee");
  const [strip, texts] = [segments(), legend()];
  const head = el("div", {class: "type-head"}, el("h3", {}, name), machines, wrong, figure);
  return {
    node: el("section", {class: "type", "data-kind": kind}, head, strip.node, texts.node, el("ul", {class: "tiles", hidden: true})),
    update([, found]) {
      const title = titles.get(kind) ?? words(kind);
      write(name, title.charAt(0).toUpperCase() + title.slice(1));
      write(machines, found.enabled ? count(found.machines, "machine") : "switched off");
      write(wrong, troubles(found.faults, found.alarms));
      write(figure, Number.isFinite(found.oee?.oee) ? `OEE ${percent(found.oee.oee, 0)}` : "");
      const states = ordered(found);
      strip.update(states);
      texts.update(states.map(([state, role, , n]) => [state, role, number(n)]));
    },
  };
}

/** Return the states that machines of a type are in as [state, class, share, number], the producing one first. */
export function ordered({states, producing, machines}) {
  const place = ([state, role]) => ROLES.indexOf(role.slice("state-".length)) + state;
  return Object.entries(states)
    .filter(([, n]) => n > 0)
    .map(([state, n]) => [state, stateClass(state, producing), n / machines, n])
    .sort((one, other) => (place(one) < place(other) ? -1 : 1));
}

function tile([id, kind]) {
  const [name, state, mark, wrong] = els("span", "tile-id", "tile-state", "tile-mark", "visually-hidden");
  const link = el("a", {href: `#/machines/${encodeURIComponent(id)}`}, name, " ", state, mark, wrong);
  set(mark, "aria-hidden", "true");
  write(name, id.length > LONGEST_ID ? `…${id.slice(1 - LONGEST_ID)}` : id);
  const update = ([, , now, faults, alarms], types) => {
    const text = troubles(faults, alarms);
    set(link, "class", `tile ${stateClass(now, types[kind]?.producing)}${text && " is-wrong"}`);
    set(link, "title", `${id}: ${words(now)}${text && `, ${text}`}`);
    write(state, words(now));
    write(mark, text && `▲ ${faults + alarms}`);
    write(wrong, text && `, ${text}`);
  };
  return {id, kind, node: el("li", {}, link), update};
}

function troubles(faults, alarms) {
  return [faults && count(faults, "fault"), alarms && count(alarms, "alarm")].filter(Boolean).join(", ");
}
