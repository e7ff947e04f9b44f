/** The overview: all of the plant at one look. */

import {onceAFrame, segments, sparkline} from "./charts.js";
import {el, set, show, write} from "./dom.js";
import {NONE, count, milliseconds, number, percent, rate, since, words} from "./format.js";
import {broker, delivery, journal, oee, run, troubles} from "./panels.js";
import {ROLES, ordered, wall} from "./wall.js";

export const view = {
  path: "",
  title: "Overview",
  mount(root, {live, api}) {
    const waiting = el("p", {class: "empty"}, "Waiting for the plant.");
    show(root, el("h1", {class: "visually-hidden"}, "Overview"), waiting);
    let parts = [];
    let changed = new Set();

    const draw = onceAFrame(() => {
      const {overview} = live;
      if (!overview || !root.isConnected) return;
      if (parts.length === 0) waiting.replaceWith(...build(parts, api));
      const now = changed;
      changed = new Set();
      parts.filter((part) => part.keys.some((key) => now.has(key))).forEach((part) => part.update(overview, live.history));
    });
    const later = (keys) => {
      keys.forEach((key) => changed.add(key));
      draw();
    };
    const listeners = {
      overview: ({detail}) => later(detail),
      history: () => later(["history"]),
      tiles: ({detail}) => parts.forEach((part) => part.tiles?.(detail, live.overview)),
    };
    Object.entries(listeners).forEach((each) => live.addEventListener(...each));
    if (live.overview) later([...Object.keys(live.overview), "history"]);
    return () => Object.entries(listeners).forEach((each) => live.removeEventListener(...each));
  },
};

function build(parts, api) {
  const figures = keyFigures();
  const machines = wall(api);
  const columns = [[oee(), troubles()], [delivery(), broker()], [journal()], [run()]];
  parts.push(...figures, machines, ...columns.flat());
  const nodes = (of) => of.map((each) => each.node);
  const stacks = columns.map((each) => el("div", {class: "stack"}, nodes(each)));
  return [
    el("section", {class: "figures", "aria-label": "Key figures"}, nodes(figures)),
    el("div", {class: "overview"}, machines.node, el("div", {class: "panels"}, stacks.slice(0, 2)), el("div", {class: "panels below"}, stacks.slice(2))),
  ];
}

function keyFigures() {
  const spark = (label, unit, line) => {
    const {node, update} = sparkline({label: `${label}, last 15 minutes`, unit});
    return {node, update: (_, history) => update(history?.[line])};
  };
  const states = segments("tall");
  const newest = el("p", {class: "figure-below"});
  return [
    figure("Delivered", ["rate", "history"], spark("Delivered", "msg/s", "rate"), ({rate: found}) => ({
      value: rate(found.delivered),
      below: found.asked === null ? `${rate(found.generated)} generated` : `${rate(found.asked)} asked`,
    })),
    figure("Lateness, 99 %", ["lateness", "history"], spark("Lateness, 99 %", "ms", "lateness_ms"), ({lateness}) => ({
      value: milliseconds(lateness?.p99_ms),
      below: lateness ? `${milliseconds(lateness.p50_ms)} median, ${milliseconds(lateness.max_ms)} worst` : "nothing was due lately",
    })),
    figure("Queue", ["queue", "history"], spark("Queue", "messages", "queue"), ({queue}) => ({
      value: number(queue.depth),
      below: `of ${number(queue.size)}, ${number(queue.in_flight)} in flight`,
      kind: queue.depth >= queue.size ? "bad" : queue.depth > queue.size / 2 ? "warn" : "",
    })),
    figure("OEE", ["oee", "history"], spark("OEE", "", "oee"), ({oee: {truth, reported}}) => ({
      value: percent(truth?.oee),
      below: reported ? `${percent(reported.oee)} by the messages` : "ground truth",
    })),
    figure("Machines", ["machines", "types"], {node: states.node, update: ({types}) => states.update(roles(types))}, ({machines, types}) => {
      const producing = roles(types).find(([role]) => role === "producing");
      return {value: number(machines), below: `${number(producing?.[3] ?? 0)} producing`};
    }),
    figure("Wrong now", ["faults", "alarms", "at"], {node: newest, update: ({faults, at}) => write(newest, latest(faults, at))}, ({faults, alarms}) => {
      const ringing = Object.values(alarms.active).reduce((sum, n) => sum + n, 0);
      return {
        value: faults.active === null ? NONE : count(faults.active, "fault"),
        below: alarms.declared ? count(ringing, "alarm") : "no alarms declared",
        kind: faults.active || ringing ? "bad" : "",
      };
    }),
  ];
}

/** A figure with its unit, a line below it, and a picture. */
function figure(label, keys, picture, read) {
  const [amount, unit] = [el("strong"), el("span")];
  const value = el("p", {}, amount, " ", unit);
  const below = el("p", {class: "figure-below"});
  return {
    node: el("div", {class: "figure"}, el("h2", {}, label), value, below, picture.node),
    keys,
    update(overview, history) {
      const found = read(overview);
      const [, first, last = ""] = /^(.+?)(?: (\S+))?$/.exec(found.value);
      write(amount, first);
      write(unit, last);
      write(below, found.below);
      set(value, "class", `figure-value ${found.kind ?? ""}`);
      picture.update(overview, history);
    },
  };
}

/** Return the machines of all types by the role of their state: [role, class, share, number]. */
function roles(types) {
  const sums = new Map();
  const rows = Object.values(types).flatMap(ordered);
  const all = rows.reduce((sum, [, , , n]) => sum + n, 0);
  rows.forEach(([, name, , n]) => sums.set(name, (sums.get(name) ?? 0) + n));
  return ROLES.map((role) => [role, `state-${role}`, (sums.get(`state-${role}`) ?? 0) / all, sums.get(`state-${role}`)]).filter((each) => each[3]);
}

function latest({list}, at) {
  const [newest] = list;
  return newest ? `newest: ${newest.machine_id} ${words(newest.fault)}, ${since(newest.since, at)} ago` : "";
}
