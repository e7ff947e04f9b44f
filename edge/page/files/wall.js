/** The machines by type and state: a tile each, or, where there are many, one block for each type. */

import {stateClass} from "./charts.js";
import {el, keyed, set, show, write} from "./dom.js";
import {count, number, percent, words} from "./format.js";

const COMPACT = 60;
const LONGEST_ID = 16;
const ORDER = ["producing", "other", "waiting", "planned", "stopped", "faulted"];

/** The card of all machines. */
export function wall(api) {
  const titles = new Map();
  const list = el("div", {class: "types"});
  const hint = el("p", {class: "empty", hidden: true});
  const node = el("section", {class: "card machines", "aria-labelledby": "wall"}, el("h2", {id: "wall"}, "Machines"), list, hint);
  const show_types = keyed(list, (item) => type(item, titles), ([kind]) => kind);
  let tiles = [];
  let kinds = "";

  const learn = async (overview) => {
    const now = Object.keys(overview.types).join(" ");
    if (now === kinds) return;
    kinds = now;
    const found = await api.get("/api/v1/machine-types").catch(() => ({machine_types: []}));
    found.machine_types.forEach((each) => titles.set(each.machine_type, each.title));
    show_types(Object.entries(overview.types));
  };
  const rebuild = (overview) => {
    const groups = new Map();
    tiles = (overview.tiles ?? []).map((row) => tile(row, overview.types));
    tiles.forEach((each) => groups.set(each.kind, [...(groups.get(each.kind) ?? []), each.node]));
    for (const section of list.children) {
      const into = section.querySelector(".tiles");
      const of = groups.get(section.dataset.kind) ?? [];
      into.hidden = of.length === 0;
      show(into, of);
    }
  };
  return {
    node,
    keys: ["types", "tiles", "machines"],
    update(overview) {
      const rows = overview.tiles;
      list.classList.toggle("blocks", rows === null);
      list.classList.toggle("compact", (rows?.length ?? 0) > COMPACT);
      show_types(Object.entries(overview.types));
      if (tiles.length !== (rows?.length ?? 0) || tiles.some((each, place) => each.id !== rows[place][0])) rebuild(overview);
      hint.hidden = overview.machines > 0;
      show(hint, "No machine runs here. ", el("a", {href: "#/plant"}, "The plant"), " says which there are, and the command centre can switch types on.");
      learn(overview);
    },
    tiles(rows, overview) {
      rows.forEach(([place, row]) => tiles[place]?.update(row, overview.types));
    },
  };
}

function type([kind], titles) {
  const name = el("a", {href: `#/machines?type=${encodeURIComponent(kind)}`}, words(kind));
  const facts = el("span", {class: "muted"});
  const wrong = el("span", {class: "bad"});
  const figures = el("span", {class: "type-oee"});
  const strip = el("div", {class: "segments", "aria-hidden": "true"});
  const legend = el("ul", {class: "legend"});
  const states = keyed(strip, () => segment(), ([state]) => state);
  const texts = keyed(legend, () => entry(), ([state]) => state);
  const node = el(
    "section",
    {class: "type", "data-kind": kind},
    el("div", {class: "type-head"}, el("h3", {}, name), facts, wrong, figures),
    strip,
    legend,
    el("ul", {class: "tiles", hidden: true}),
  );
  return {
    node,
    update([, found]) {
      write(name, titles.get(kind) ?? words(kind));
      write(facts, found.enabled ? count(found.machines, "machine") : "switched off");
      write(wrong, troubles(found.faults, found.alarms));
      write(figures, found.oee && found.machines ? `OEE ${percent(found.oee.oee, 0)}` : "");
      const rows = ordered(found);
      states(rows);
      texts(rows);
    },
  };
}

/** Return the states that machines are in as [state, machines, share, class], the producing one first. */
function ordered({states, producing, machines}) {
  const place = ([, , , name]) => ORDER.indexOf(name.slice("state-".length));
  return Object.entries(states)
    .filter(([, n]) => n > 0)
    .map(([state, n]) => [state, n, n / Math.max(1, machines), stateClass(state, producing)])
    .sort((one, other) => place(one) - place(other) || (one[0] < other[0] ? -1 : 1));
}

function segment() {
  const node = el("span");
  return {
    node,
    update([, , share, name]) {
      set(node, "class", `segment ${name}`);
      node.style.flexGrow = share;
    },
  };
}

function entry() {
  const [dot, n, state] = [el("span", {"aria-hidden": "true"}), el("strong"), el("span")];
  const node = el("li", {}, dot, n, state);
  return {
    node,
    update([name, machines, , role]) {
      set(dot, "class", `dot ${role}`);
      write(n, number(machines));
      write(state, words(name));
    },
  };
}

function tile(row, types) {
  const [id, kind] = row;
  const state = el("span", {class: "tile-state"});
  const [mark, wrong] = [el("span", {class: "tile-mark", "aria-hidden": "true"}), el("span", {class: "visually-hidden"})];
  const link = el("a", {href: `#/machines/${encodeURIComponent(id)}`}, el("span", {class: "tile-id"}, short(id)), mark, " ", state, wrong);
  const found = {
    id,
    kind,
    node: el("li", {}, link),
    update([, , now, faults, alarms], known) {
      set(link, "class", `tile ${stateClass(now, known[kind]?.producing)}${faults || alarms ? " is-wrong" : ""}`);
      const text = troubles(faults, alarms);
      set(link, "title", [`${id}: ${words(now)}`, text].filter(Boolean).join(", "));
      write(state, words(now));
      write(mark, text && `▲ ${faults + alarms}`);
      write(wrong, text && `, ${text}`);
    },
  };
  found.update(row, types);
  return found;
}

function troubles(faults, alarms) {
  return [faults && count(faults, "fault"), alarms && count(alarms, "alarm")].filter(Boolean).join(", ");
}

/** Return an id that fits a tile; of a long one, its end tells machines apart. */
function short(id) {
  return id.length > LONGEST_ID ? `…${id.slice(1 - LONGEST_ID)}` : id;
}
