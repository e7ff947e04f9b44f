/** Small charts as SVG: each draws itself at most once a frame, keeps at most 15 minutes, and is told as text too. */

import {el, els, keyed, set, svg, write} from "./dom.js";
import {number, percent, seconds, words} from "./format.js";

const KEPT_MS = 15 * 60 * 1000;
const LEAST = 24; // points of a line that fill its width
const FAULTED = /fault|fail|error|crash|alarm|emergency|broken|offline/i;
const ROLES = {stopped: "stopped", planned_stop: "planned", waiting: "waiting", blocked: "waiting", starved: "waiting"};
const isNumber = Number.isFinite;
let ids = 0;

/** Return the CSS class of a state, by its role. producing: the state in which a machine of the type produces. */
export function stateClass(state, producing) {
  if (state && state === producing) return "state-producing";
  return `state-${ROLES[state] ?? (FAULTED.test(state ?? "") ? "faulted" : "other")}`;
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

export function sparkline({label, unit}) {
  const [area, line] = [svg("path", {class: "spark-area"}), svg("path", {class: "spark-line"})];
  const node = canvas("0 0 180 40", {class: "spark", role: "img", "aria-label": told(label, unit, [])}, area, line);
  const update = onceAFrame((kept = []) => {
    const values = kept.slice(kept.findIndex(isNumber));
    const top = Math.max(...values.filter(isNumber), 0) || 1;
    const step = 180 / Math.max(LEAST, values.length - 1);
    const found = runs(values.map((value, place) => [180 - (values.length - 1 - place) * step, isNumber(value) ? 38 - (value / top) * 34 : null]));
    set(line, "d", found.map((run) => `M${run.join("L")}`).join(""));
    set(area, "d", found.map((run) => `M${run[0].split(" ")[0]} 40L${run.join("L")}V40Z`).join(""));
    set(node, "aria-label", told(label, unit, values));
  });
  return {node, update};
}

/** Return a chart of a value over time, with its limits as a band and its set point as a line. */
export function lineChart({label, unit, limits, setPoint}) {
  const band = svg("rect", {class: "chart-band", width: 600});
  const [wanted, line] = [svg("path", {class: "chart-set-point"}), svg("path", {class: "chart-line"})];
  const [top, bottom, from, to, summary] = els("span", "chart-top", "chart-bottom", "chart-from", "chart-to", "visually-hidden");
  const points = [];

  const draw = onceAFrame(() => {
    const values = points.map((each) => each[1]);
    write(summary, told(label, unit, values));
    if (points.length === 0) return;
    const end = points.at(-1)[0];
    const span = Math.max(60000, end - points[0][0]);
    const [low, high] = extent([setPoint, ...values].filter(isNumber));
    const y = (value, otherwise) => (isNumber(value) ? Math.max(-10, Math.min(130, 114 - ((value - low) / (high - low)) * 108)) : otherwise);
    const found = runs(points.map(([at, value]) => [600 - ((end - at) / span) * 600, y(value, null)]));
    set(line, "d", found.map((run) => `M${run.join("L")}`).join(""));
    set(wanted, "d", isNumber(setPoint) ? `M0 ${y(setPoint)}H600` : "");
    const upper = y(limits?.[1], -10);
    set(band, "y", upper);
    set(band, "height", limits ? Math.max(0, y(limits[0], 130) - upper) : 0);
    write(top, number(high));
    write(bottom, number(low));
    write(from, `${seconds(Math.round(span / 1000))} ago`);
    write(to, "now");
  });
  draw();
  return {
    node: el("div", {class: "chart"}, canvas("0 0 600 120", {"aria-hidden": "true"}, band, wanted, line), top, bottom, from, to, summary),
    add(timeMs, value) {
      const newest = points.at(-1)?.[0];
      if (timeMs === newest) return;
      if (timeMs < newest) points.length = 0; // another run, which began at an earlier time
      points.push([timeMs, value]);
      points.splice(0, points.findIndex(([at]) => at >= timeMs - KEPT_MS));
      draw();
    },
    update(changed) {
      ({limits, setPoint} = {limits, setPoint, ...changed});
      draw();
    },
  };
}

/** Return a timeline of states. producing: the state in which the machine produces. */
export function stateBar({label, producing}) {
  const group = svg("g");
  const [shares, from] = [legend(), el("span")];
  const rects = keyed(group, rect, (_, place) => place);
  const spans = [];

  const draw = onceAFrame(() => {
    if (spans.length === 0) return;
    const begin = spans[0].start;
    const width = Math.max(1000, spans.at(-1).end - begin);
    const times = new Map();
    spans.forEach(({state, start, end}) => times.set(state, (times.get(state) ?? 0) + end - start));
    rects(spans.map(({state, start, end}) => [(start - begin) / width, (end - start) / width, stateClass(state, producing)]));
    shares.update([...times].map(([state, time]) => [state, stateClass(state, producing), percent(time / width, 0)]));
    write(from, `${seconds(Math.round(width / 1000))} ago`);
  });
  const drawn = canvas("0 0 600 24", {"aria-hidden": "true"}, group);
  return {
    node: el("div", {class: "state-bar", role: "group", "aria-label": label}, drawn, el("div", {class: "row between muted small"}, from, "now"), shares.node),
    add(timeMs, state) {
      const last = spans.at(-1);
      if (timeMs < last?.end) spans.length = 0; // as above
      else if (last) last.end = timeMs;
      if (spans.at(-1)?.state !== state) spans.push({state, start: timeMs, end: timeMs});
      while (spans.length > 1 && spans[0].end < timeMs - KEPT_MS) spans.shift();
      spans[0].start = Math.max(spans[0].start, timeMs - KEPT_MS);
      draw();
    },
    update(changed) {
      producing = changed.producing;
      draw();
    },
  };
}

/** Return a bar of parts beside each other; its `update` takes [name, class, share] of each. role: img has a label. */
export function segments(kind = "", role = null) {
  const node = el("div", {class: `segments ${kind}`, role, "aria-hidden": role ? null : "true"});
  const make = () => {
    const part = el("span");
    const update = ([, name, share]) => {
      set(part, "class", `segment ${name}`);
      part.style.flexGrow = share;
    };
    return {node: part, update};
  };
  return {node, update: keyed(node, make, ([name]) => name)};
}

/** Return a list of states with their colours; its `update` takes [state, class, text] of each. */
export function legend() {
  const node = el("ul", {class: "legend"});
  const make = () => {
    const [dot, state] = els("span", null, null);
    const text = el("strong");
    const update = ([name, role, known]) => {
      set(dot, "class", `dot ${role}`);
      write(state, words(name));
      write(text, known);
    };
    return {node: el("li", {}, dot, text, " ", state), update};
  };
  return {node, update: keyed(node, make, ([state]) => state)};
}

/** Return a function that draws what it was given last, in the next frame. */
export function onceAFrame(draw) {
  let newest = null;
  return (...given) => {
    if (newest === null) {
      requestAnimationFrame(() => {
        const found = newest;
        newest = null;
        draw(...found);
      });
    }
    newest = given;
  };
}

/** Return an id for an element, of which there is no other on the page. */
export function newId(name) {
  return `${name}-${++ids}`;
}

function canvas(viewBox, attributes, ...parts) {
  return svg("svg", {viewBox, preserveAspectRatio: "none", ...attributes}, parts);
}

function rect() {
  const node = svg("rect", {height: 24});
  const update = ([start, width, name]) => {
    set(node, "class", name);
    set(node, "x", start * 600);
    set(node, "width", Math.max(0.5, width * 600));
  };
  return {node, update};
}

/** Return points as texts "x y", in runs that what is unknown lies between. */
function runs(points) {
  const found = [[]];
  for (const [x, y] of points) {
    if (y === null) found.push([]);
    else found.at(-1).push(`${x.toFixed(1)} ${y.toFixed(1)}`);
  }
  return found.filter((run) => run.length > 0);
}

function extent(values) {
  if (values.length === 0) return [0, 1];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const spare = (high - low) * 0.05 || Math.max(1, Math.abs(high) * 0.05);
  return [low - spare, high + spare];
}

function told(label, unit, values) {
  const found = values.filter(isNumber);
  if (found.length === 0) return `${label}: no values yet`;
  return `${label}: ${number(found.at(-1))} ${unit ?? ""}, from ${number(Math.min(...found))} to ${number(Math.max(...found))}`;
}
