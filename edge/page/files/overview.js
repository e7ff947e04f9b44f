/** The overview: all of the plant at one look. */

import {onceAFrame, segments, sparkline} from "./charts.js";
import {el, els, set, show, write} from "./dom.js";
import {NONE, count, milliseconds, number, percent, rate, since, words} from "./format.js";
import {broker, delivery, journal, oee, run, troubles} from "./panels.js";
import {ROLES, ordered, wall} from "./wall.js";

/** The key figures: title, what of the overview they are of, what of the history is drawn, and how they read. */
const FIGURES = [
  ["Delivered", "rate", "rate", ({rate: {delivered, asked, generated}}) => [rate(delivered), asked === null ? `${rate(generated)} generated` : `${rate(asked)} asked`]],
  ["Lateness, 99 %", "lateness", "lateness_ms", ({lateness: late}) => [milliseconds(late.p99_ms), Number.isFinite(late.p99_ms) ? `${milliseconds(late.p50_ms)} median, ${milliseconds(late.max_ms)} worst` : "nothing has a time at which it is due"]],
  ["Queue", "queue", "queue", ({queue: {depth, size, in_flight: flying}}) => [number(depth), `of ${number(size)}, ${number(flying)} in flight`, depth >= size ? "bad" : depth > size / 2 ? "warn" : ""]],
  ["OEE", "oee", "oee", ({oee: {truth}}) => [percent(truth?.oee), "ground truth of the run"]],
  ["Machines", "types", null, ({machines, types}) => [number(machines), `${number(roles(types)[0][3])} producing`]],
  ["Wrong now", "faults", null, wrong],
];

export const view = {
  path: "",
  title: "Overview",
  mount(root, {live, api}) {
    const waiting = el("p", {class: "empty"}, "Waiting for the plant.");
    show(root, el("h1", {class: "visually-hidden"}, "Overview"), waiting);
    let parts = [];
    let changed = new Set();

    const draw = onceAFrame(() => {
      const {overview, history} = live;
      if (!overview || !root.isConnected) return;
      if (parts.length === 0) waiting.replaceWith(...build(parts, api));
      const now = changed;
      changed = new Set();
      parts.filter((part) => part.keys.some((key) => now.has(key))).forEach((part) => part.update(overview, history));
    });
    const later = (keys) => {
      keys.forEach((key) => changed.add(key));
      draw();
    };
    const listeners = Object.entries({
      overview: ({detail}) => later(detail),
      history: () => later(["history"]),
      tiles: ({detail}) => parts.forEach((part) => part.tiles?.(detail, live.overview)),
    });
    listeners.forEach((each) => live.addEventListener(...each));
    if (live.overview) later([...Object.keys(live.overview), "history"]);
    return () => listeners.forEach((each) => live.removeEventListener(...each));
  },
};

function build(parts, api) {
  const figures = FIGURES.map((each) => figure(...each));
  const machines = wall(api);
  const columns = [[oee(), troubles()], [delivery(), broker()], [journal()], [run()]];
  parts.push(...figures, machines, ...columns.flat());
  const stacks = columns.map((column) => el("div", {class: "stack"}, column.map((each) => each.node)));
  return [
    el("section", {class: "figures", "aria-label": "Key figures"}, figures.map((each) => each.node)),
    el("div", {class: "overview"}, machines.node, el("div", {class: "side"}, el("div", {class: "panels"}, stacks.slice(0, 2)), el("div", {class: "panels below"}, stacks.slice(2)))),
  ];
}

function figure(label, key, line, read) {
  const [amount, unit] = els("span", "amount", null);
  const [value, below, newest] = els("p", null, "figure-below", "figure-below");
  const picture = line ? sparkline({label: `${label}, last 15 minutes`}) : key === "types" ? segments("tall") : {node: newest};
  value.append(amount, " ", unit);
  return {
    node: el("div", {class: "figure"}, el("h2", {}, label), value, below, picture.node),
    keys: key === "faults" ? [key, "alarms", "at"] : [key, "history"], // at: the newest fault becomes older
    update(overview, history) {
      const [found, more, kind = "", last] = read(overview);
      const [, first, rest] = /^(.+?)(?: (\S+))?$/.exec(found);
      write(amount, first);
      write(unit, rest);
      write(below, more);
      write(newest, last);
      set(value, "class", `figure-value ${kind}`);
      picture.update?.(line ? history?.[line] : roles(overview.types).filter(([, , share]) => share));
    },
  };
}

function wrong({faults, alarms, at}) {
  const ringing = Object.values(alarms.active).reduce((sum, n) => sum + n, 0);
  const [newest] = faults.list;
  return [
    faults.active === null ? NONE : count(faults.active, "fault"),
    alarms.declared ? count(ringing, "alarm") : faults.active === null ? "no faults or alarms declared" : "no alarms declared",
    faults.active || ringing ? "bad" : "",
    newest && `newest: ${newest.machine_id} ${words(newest.fault)}, ${since(newest.since, at)} ago`,
  ];
}

/** Return the machines of all types by the role of their state: [role, class, share, number]. */
function roles(types) {
  const rows = Object.values(types).flatMap(ordered);
  const sum = (name) => rows.reduce((all, [, role, , n]) => all + (name ? role === name && n : n), 0);
  return ROLES.map((role) => [role, `state-${role}`, sum(`state-${role}`) / (sum() || 1), sum(`state-${role}`)]);
}
