/** The overview: all of the plant at one look. */

import {onceAFrame, sparkline} from "./charts.js";
import {el, set, show, write} from "./dom.js";
import {count, milliseconds, number, percent, rate} from "./format.js";
import {broker, delivery, journal, oee, run, troubles} from "./panels.js";
import {wall} from "./wall.js";

export const view = {
  path: "",
  title: "Overview",
  mount(root, {live, api}) {
    const heading = el("h1", {class: "visually-hidden"}, "Overview");
    const body = el("div", {class: "empty"}, "Waiting for the plant.");
    show(root, heading, body);
    let parts = null;
    let changed = new Set();

    const draw = onceAFrame(() => {
      const {overview} = live;
      if (!overview || !root.isConnected) return;
      if (parts === null) parts = build(root, heading, api);
      const now = changed;
      changed = new Set();
      parts.forEach((part) => part.keys.some((key) => now.has(key)) && part.update(overview, live.history));
    });
    const later = (keys) => {
      keys.forEach((key) => changed.add(key));
      draw();
    };
    const listeners = {
      overview: ({detail}) => later(detail),
      history: () => later(["history"]),
      tiles: ({detail}) => parts?.forEach((part) => part.tiles?.(detail, live.overview)),
    };
    for (const [event, listener] of Object.entries(listeners)) live.addEventListener(event, listener);
    if (live.overview) later([...Object.keys(live.overview), "history"]);
    return () => {
      for (const [event, listener] of Object.entries(listeners)) live.removeEventListener(event, listener);
    };
  },
};

function build(root, heading, api) {
  const figures = keyFigures();
  const machines = wall(api);
  const beside = [oee(), troubles(), delivery(), broker(), journal(), run()];
  show(
    root,
    heading,
    figures.map((each) => each.node).reduce((strip, node) => (strip.append(node), strip), el("section", {class: "figures", "aria-label": "Key figures"})),
    el("div", {class: "overview"}, machines.node, el("div", {class: "beside"}, beside.map((each) => each.node))),
  );
  return [...figures, machines, ...beside];
}

function keyFigures() {
  return [
    figure("Delivered", ["rate", "history"], {unit: "msg/s", line: "rate"}, ({rate: found}) => ({
      value: rate(found.delivered),
      below: found.asked === null ? `${rate(found.generated)} generated` : `${rate(found.asked)} asked`,
    })),
    figure("Lateness, 99 %", ["lateness", "history"], {unit: "ms", line: "lateness_ms"}, ({lateness}) => ({
      value: milliseconds(lateness?.p99_ms),
      below: lateness ? `${milliseconds(lateness.p50_ms)} median, ${milliseconds(lateness.max_ms)} worst` : "nothing was due lately",
    })),
    figure("Queue", ["queue", "history"], {unit: "messages", line: "queue"}, ({queue}) => ({
      value: number(queue.depth),
      below: `of ${number(queue.size)}, ${number(queue.in_flight)} in flight`,
      kind: queue.depth >= queue.size ? "bad" : queue.depth > queue.size / 2 ? "warn" : "",
    })),
    figure("OEE", ["oee", "history"], {unit: "", line: "oee"}, ({oee: {truth, reported}}) => ({
      value: percent(truth?.oee),
      below: reported ? `${percent(reported.oee)} by the messages` : "ground truth",
    })),
    figure("Machines", ["machines", "types"], {}, ({machines, types}) => ({
      value: number(machines),
      below: `${number(producing(types))} producing`,
    })),
    figure("Wrong now", ["faults", "alarms"], {}, ({faults, alarms}) => {
      const active = Object.values(alarms.active).reduce((sum, n) => sum + n, 0);
      return {
        value: faults.active === null ? "–" : count(faults.active, "fault"),
        below: alarms.declared ? count(active, "alarm") : "no alarms declared",
        kind: faults.active || active ? "bad" : "",
      };
    }),
  ];
}

function figure(label, keys, {unit, line}, read) {
  const spark = line ? sparkline({label: `${label}, last 15 minutes`, unit}) : null;
  const value = el("p", {class: "figure-value"});
  const below = el("p", {class: "figure-below"});
  const node = el("div", {class: "figure"}, el("h2", {}, label), value, below, spark?.node);
  return {
    node,
    keys,
    update(overview, history) {
      const found = read(overview);
      write(value, found.value);
      write(below, found.below);
      set(value, "class", `figure-value ${found.kind ?? ""}`.trim());
      spark?.update(history?.[line]);
    },
  };
}

function producing(types) {
  return Object.values(types).reduce((sum, type) => sum + (type.states[type.producing] ?? 0), 0);
}
