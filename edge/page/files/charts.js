/** Small charts as SVG: each draws itself at most once a frame, keeps at most 15 minutes, and is told as text too. */

import {el, set, svg, write} from "./dom.js";
import {NONE, number, percent, seconds, words} from "./format.js";

const KEPT_MS = 15 * 60 * 1000;
const FAULTED = /fault|fail|error|crash|alarm|emergency|broken|offline/i;
const ROLES = {stopped: "stopped", planned_stop: "planned", waiting: "waiting", blocked: "waiting", starved: "waiting"};
let ids = 0;

/** Return the CSS class of a state, by its role. producing: the state in which a machine of the type produces. */
export function stateClass(state, producing) {
  if (state !== null && state !== undefined && state === producing) return "state-producing";
  const role = ROLES[state] ?? (FAULTED.test(state ?? "") ? "faulted" : "other");
  return `state-${role}`;
}

/** Return a small progress bar; its `update(share, label)` changes it. */
export function bar(share, label) {
  const filled = el("span", {class: "bar-filled"});
  const node = el("span", {class: "bar", role: "img"}, filled);
  node.update = (now, text) => {
    filled.style.width = `${Math.max(0, Math.min(1, now ?? 0)) * 100}%`;
    set(node, "aria-label", text);
  };
  node.update(share, label);
  return node;
}

/** Return a line without axes of equally spaced values. */
export function sparkline({label, unit = ""}) {
  const line = svg("path", {class: "spark-line"});
  const area = svg("path", {class: "spark-area"});
  const node = svg("svg", {class: "spark", viewBox: "0 0 180 40", preserveAspectRatio: "none", role: "img"}, area, line);
  const draw = onceAFrame((values) => {
    const found = values.filter(isNumber);
    const top = Math.max(...found, 0) || 1;
    const points = values.map((value, place) => (isNumber(value) ? [place + 180 - values.length, 38 - (value / top) * 34] : null));
    set(line, "d", path(points));
    set(area, "d", areas(points));
    set(node, "aria-label", told(label, unit, found));
  });
  set(node, "aria-label", `${label}: no values yet`);
  return {node, update: (values) => draw([...(values ?? [])])};
}

/** Return a chart of a value over time, with its limits as a band and its set point as a line. */
export function lineChart({label, unit = "", limits = null, setPoint = null}) {
  const parts = {
    band: svg("rect", {class: "chart-band", x: 0, width: 600}),
    setPoint: svg("path", {class: "chart-set-point"}),
    line: svg("path", {class: "chart-line"}),
  };
  const drawn = svg("svg", {viewBox: "0 0 600 120", preserveAspectRatio: "none", "aria-hidden": "true"}, ...Object.values(parts));
  const texts = ["top", "bottom", "from", "to"].map((place) => el("span", {class: `chart-${place}`}));
  const summary = el("span", {class: "visually-hidden"}, `${label}: no values yet`);
  const node = el("div", {class: "chart"}, drawn, texts, summary);
  const kept = {points: [], limits, setPoint};

  const draw = onceAFrame(() => {
    const {points} = kept;
    if (points.length === 0) return;
    const end = points.at(-1)[0];
    const span = Math.max(60000, end - points[0][0]);
    const [low, high] = extent(points.map((each) => each[1]).concat(kept.setPoint ?? []).filter(isNumber));
    const y = (value) => Math.max(-10, Math.min(130, 114 - ((value - low) / (high - low)) * 108));
    set(parts.line, "d", path(points.map(([at, value]) => (isNumber(value) ? [600 - ((end - at) / span) * 600, y(value)] : null))));
    set(parts.setPoint, "d", isNumber(kept.setPoint) ? `M0 ${y(kept.setPoint).toFixed(1)}H600` : "");
    const [bottom, top] = kept.limits ? kept.limits.map((each, place) => (isNumber(each) ? y(each) : [130, -10][place])) : [0, 0];
    set(parts.band, "y", top.toFixed(1));
    set(parts.band, "height", Math.max(0, bottom - top).toFixed(1));
    [number(high), number(low), `${seconds(Math.round(span / 1000))} ago`, "now"].forEach((text, place) => write(texts[place], text));
  });
  return {
    node,
    add(timeMs, value) {
      if (timeMs <= (kept.points.at(-1)?.[0] ?? -Infinity)) return;
      kept.points.push([timeMs, value]);
      forget(kept.points, timeMs);
      write(summary, told(label, unit, [value].filter(isNumber)));
      draw();
    },
    update(changed) {
      Object.assign(kept, changed);
      draw();
    },
  };
}

/** Return a timeline of states. producing: the state in which the machine produces. */
export function stateBar({label, producing = null}) {
  const group = svg("g");
  const drawn = svg("svg", {viewBox: "0 0 600 24", preserveAspectRatio: "none", "aria-hidden": "true"}, group);
  const legend = el("ul", {class: "legend"});
  const from = el("span", {class: "chart-from"});
  const node = el("div", {class: "state-bar"}, drawn, el("div", {class: "row between muted small"}, from, "now"), legend);
  const kept = {spans: [], producing};
  set(node, "role", "group");
  set(node, "aria-label", label);

  const draw = onceAFrame(() => {
    const {spans} = kept;
    if (spans.length === 0) return;
    const start = spans[0].start;
    const width = Math.max(1000, spans.at(-1).end - start);
    while (group.childNodes.length > spans.length) group.lastChild.remove();
    const times = new Map();
    spans.forEach(({state, start: begin, end}, place) => {
      const rect = group.childNodes[place] ?? group.appendChild(svg("rect", {height: 24, y: 0}));
      set(rect, "class", stateClass(state, kept.producing));
      set(rect, "x", (((begin - start) / width) * 600).toFixed(2));
      set(rect, "width", Math.max(0.5, ((end - begin) / width) * 600).toFixed(2));
      times.set(state, (times.get(state) ?? 0) + end - begin);
    });
    write(from, `${seconds(Math.round(width / 1000))} ago`);
    legends(legend, times, width, kept.producing);
  });
  return {
    node,
    add(timeMs, state) {
      const last = kept.spans.at(-1);
      if (last && timeMs < last.end) return;
      if (last) last.end = timeMs;
      if (!last || last.state !== state) kept.spans.push({state, start: timeMs, end: timeMs});
      while (kept.spans.length > 1 && kept.spans[0].end < timeMs - KEPT_MS) kept.spans.shift();
      kept.spans[0].start = Math.max(kept.spans[0].start, timeMs - KEPT_MS);
      draw();
    },
    update(changed) {
      Object.assign(kept, changed);
      draw();
    },
  };
}

/** Return a function that draws what it was given last, in the next frame. */
export function onceAFrame(draw) {
  let waits = false;
  let newest = [];
  return (...given) => {
    newest = given;
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      draw(...newest);
    });
  };
}

/** Return an id for an element, of which there is no other on the page. */
export function newId(name) {
  return `${name}-${++ids}`;
}

function legends(list, times, width, producing) {
  while (list.childNodes.length > times.size) list.lastChild.remove();
  [...times].forEach(([state, span], place) => {
    const item = list.childNodes[place] ?? list.appendChild(el("li", {}, el("span"), el("span")));
    set(item.firstChild, "class", `dot ${stateClass(state, producing)}`);
    write(item.lastChild, `${words(state)} ${percent(span / width, 0)}`);
  });
}

function path(points) {
  let pen = "M";
  return points
    .map((point) => {
      const part = point === null ? "" : `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
      pen = point === null ? "M" : "L";
      return part;
    })
    .join("");
}

function areas(points) {
  const runs = points.reduce((found, point) => {
    if (point === null) found.push([]);
    else found.at(-1).push(point);
    return found;
  }, [[]]);
  return runs.filter((run) => run.length > 1).map((run) => `${path(run)}V40H${run[0][0].toFixed(1)}Z`).join("");
}

function extent(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  if (values.length === 0) return [0, 1];
  const spare = high === low ? Math.max(1, Math.abs(high) * 0.05) : (high - low) * 0.05;
  return [low - spare, high + spare];
}

function forget(points, nowMs) {
  const gone = points.findIndex(([at]) => at >= nowMs - KEPT_MS);
  if (gone > 0) points.splice(0, gone);
}

function told(label, unit, values) {
  if (values.length === 0) return `${label}: no values yet`;
  const last = number(values.at(-1));
  const range = values.length > 1 ? `, from ${number(Math.min(...values))} to ${number(Math.max(...values))}` : "";
  return `${label}: ${last || NONE} ${unit}${range}`;
}

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}
