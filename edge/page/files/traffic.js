/** Live traffic: the messages that are delivered, by filters that the simulator applies. */

import {el, set, show, write} from "./dom.js";
import {bytes, clock, day, number} from "./format.js";
import {MOST_ROWS, MessageList} from "./messages.js";
import {copyButton, pretty} from "./payload.js";

const CATEGORIES = ["telemetry", "event", "alarm", "status", "command", "order"];
const TYPING_MS = 300;
const SPAN_MS = 3000;
const FIELDS = ["topic", "category", "qos", "retain", "text"];

/** Return what is wrong with a topic filter (MQTT 5, 4.7.1), or null. */
export function wrongFilter(filter) {
  const levels = filter.split("/");
  if (levels.slice(0, -1).includes("#")) return "# must be the last level";
  if (levels.some((level) => level.length > 1 && level.includes("#"))) return "# must be a level of its own, as in factory/#";
  if (levels.some((level) => level.length > 1 && level.includes("+"))) return "+ must be a level of its own, as in factory/+/status";
  return null;
}

/** Return whether a topic matches a filter (MQTT 5, 4.7). */
export function matches(filter, topic) {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  if (topic.startsWith("$") && (wanted[0] === "#" || wanted[0] === "+")) return false;
  for (let place = 0; place < wanted.length; place++) {
    if (wanted[place] === "#") return true;
    if (place >= levels.length || (wanted[place] !== "+" && wanted[place] !== levels[place])) return false;
  }
  return wanted.length === levels.length;
}

/** Counts of the last seconds. */
class Rates {
  #counts = [];
  #began = performance.now();

  add(seen, matched, shown) {
    this.#counts.push({at: performance.now(), seen, matched, shown});
  }

  /** Return messages a second: all, those that match, and those of them that came here. */
  now() {
    const now = performance.now();
    this.#counts = this.#counts.filter(({at}) => now - at < SPAN_MS);
    const span = Math.min(SPAN_MS, Math.max(1000, now - this.#began)) / 1000;
    const sum = (name) => this.#counts.reduce((total, each) => total + each[name], 0) / span;
    return {seen: sum("seen"), matched: sum("matched"), shown: sum("shown")};
  }
}

export const view = {
  path: "traffic",
  title: "Traffic",
  mount(root, context, _argument) {
    return new Traffic(root, context).start();
  },
};

class Traffic {
  #filters = {};
  #waiting = [];
  #came = 0; // while paused
  #isPaused = false;
  #isPausedByHand = false;
  #seen = 0; // since the filters were set
  #matched = 0;
  #rates = new Rates();
  #timer = 0;
  #parts = {};

  constructor(root, {live, announce, query}) {
    this.live = live;
    this.announce = announce;
    const initial = Object.fromEntries(FIELDS.map((name) => [name, query?.get(name) ?? ""]));
    this.list = new MessageList({
      zone: () => this.#zone(),
      detail: (row, close) => this.#detail(row, close),
      onHold: (isHeld) => this.#held(isHeld),
    });
    this.#build(root, initial);
  }

  start() {
    const {live} = this;
    const listeners = {
      traffic: ({detail}) => this.#came_in(detail),
      refused: ({detail}) => this.#refused(detail),
      status: () => this.#tell(),
      overview: ({detail}) => detail.has("broker") && this.#tell(),
    };
    for (const [name, listener] of Object.entries(listeners)) live.addEventListener(name, listener);
    const ticking = setInterval(() => this.#tell(), 1000);
    this.#apply();
    return () => {
      for (const [name, listener] of Object.entries(listeners)) live.removeEventListener(name, listener);
      clearInterval(ticking);
      clearTimeout(this.#timer);
      this.list.end();
    };
  }

  #zone() {
    return this.live.overview?.process.time_zone;
  }

  #build(root, initial) {
    const parts = this.#parts;
    const typed = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#apply(), TYPING_MS);
    };
    const select = (name, options) =>
      el("select", {id: `traffic-${name}`, on: {change: () => this.#apply()}}, options.map(([value, text]) => el("option", {value, selected: value === initial[name]}, text)));
    const input = (name, placeholder) =>
      el("input", {
        id: `traffic-${name}`, type: "text", value: initial[name], placeholder, autocomplete: "off", autocapitalize: "off", spellcheck: "false",
        "aria-describedby": `traffic-${name}-wrong`, on: {input: typed, keydown: (event) => event.key === "Escape" && this.#emptied(event.target)},
      });
    parts.fields = {
      topic: input("topic", "factory/+/status"),
      category: select("category", [["", "Any"], ...CATEGORIES.map((each) => [each, each])]),
      qos: select("qos", [["", "Any"], ["0", "0"], ["1", "1"]]),
      retain: select("retain", [["", "Any"], ["true", "Retained"], ["false", "Not retained"]]),
      text: input("text", "In topic or payload"),
    };
    parts.wrong = {};
    const field = (name, label) => {
      parts.wrong[name] = el("span", {class: "bad", id: `traffic-${name}-wrong`, role: "alert"});
      return el("div", {class: `field traffic-field-${name}`}, el("label", {for: `traffic-${name}`}, label), parts.fields[name], parts.wrong[name]);
    };
    parts.pause = el("button", {type: "button", class: "primary", on: {click: () => this.#toggle()}}, "Pause");
    parts.clear = el("button", {type: "button", on: {click: () => this.#clear()}}, "Clear");
    parts.reset = el("button", {type: "button", class: "quiet", hidden: true, on: {click: () => this.#reset()}}, "Reset filters");
    parts.state = el("p", {class: "traffic-state"});
    parts.empty = el("div", {class: "empty traffic-empty"});
    show(
      root,
      el("h1", {}, "Traffic"),
      el("form", {class: "card traffic-filters", role: "search", "aria-label": "Filter messages", on: {submit: (event) => { event.preventDefault(); this.#apply(); }}},
        field("topic", "Topic filter"), field("category", "Category"), field("qos", "QoS"), field("retain", "Retained"), field("text", "Text"),
        el("div", {class: "row traffic-actions"}, parts.pause, parts.clear, parts.reset)),
      parts.state,
      el("div", {class: "traffic-box"}, this.list.node, parts.empty),
    );
  }

  /** Have the simulator filter by what the fields say. */
  #apply() {
    clearTimeout(this.#timer);
    const {fields, wrong, reset} = this.#parts;
    const found = Object.fromEntries(FIELDS.map((name) => [name, fields[name].value]).filter(([, value]) => value !== ""));
    const why = found.topic ? wrongFilter(found.topic) : null;
    for (const name of FIELDS) this.#mark(name, name === "topic" ? why : null);
    if (why !== null) return;
    const isOther = JSON.stringify(found) !== JSON.stringify(this.#filters);
    this.#filters = found;
    reset.hidden = Object.keys(found).length === 0;
    this.live.watch({traffic: found});
    if (!isOther) return;
    this.#seen = this.#matched = 0;
    this.#rates = new Rates();
    const fits = (row) => this.#fits(row);
    this.#waiting = this.#waiting.filter(fits);
    this.#came = this.#waiting.length;
    this.list.filter(fits);
    if (!this.#isPausedByHand) this.#resume();
    this.#tell();
  }

  #mark(name, why) {
    write(this.#parts.wrong[name], why ?? "");
    set(this.#parts.fields[name], "aria-invalid", why === null ? null : "true");
  }

  /** Return whether a message that is already here passes the filters: the rest does not come any more. */
  #fits(row) {
    const {topic, category, qos, retain, text} = this.#filters;
    return (
      (!topic || matches(topic, row.topic)) && (!category || row.category === category) &&
      (!qos || String(row.qos) === qos) && (!retain || String(row.retain) === retain) &&
      (!text || `${row.topic}\n${row.payload}`.toLowerCase().includes(text.toLowerCase()))
    );
  }

  #emptied(field) {
    if (field.value === "") return;
    field.value = "";
    this.#apply();
  }

  #reset() {
    for (const field of Object.values(this.#parts.fields)) field.value = "";
    this.#apply();
    this.#parts.fields.topic.focus();
  }

  #refused(error) {
    const named = error.errors.filter(({path}) => path in this.#parts.fields);
    for (const {path, detail} of named) this.#mark(path, detail);
    if (named.length === 0) this.#mark("topic", error.detail);
  }

  #came_in({seen, matched, rows}) {
    this.#seen += seen;
    this.#matched += matched;
    this.#rates.add(seen, matched, rows.length);
    if (this.#isPaused) {
      this.#came += matched;
      this.#waiting = [...this.#waiting, ...rows].slice(-MOST_ROWS);
      this.#tellPause();
    } else if (rows.length > 0) {
      this.list.add(rows);
    }
    if (this.#parts.empty.hidden !== this.list.rows.length > 0) this.#tell();
  }

  /** Stop while somebody reads, so that nothing moves under their eyes; go on once they are back at the top. */
  #held(isHeld) {
    if (isHeld && !this.#isPaused) this.#pause(false);
    else if (!isHeld && this.#isPaused && !this.#isPausedByHand) this.#resume();
  }

  #toggle() {
    if (this.#isPaused) {
      this.list.release();
      this.#resume();
      this.announce("Live again.");
    } else {
      this.#pause(true);
      this.announce("Paused.");
    }
  }

  #pause(isByHand) {
    this.#isPaused = true;
    this.#isPausedByHand = isByHand;
    this.#came = 0;
    this.#tell();
  }

  #resume() {
    this.#isPaused = this.#isPausedByHand = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#came = 0;
    if (waiting.length > 0) this.list.add(waiting);
    this.#tell();
  }

  #clear() {
    this.list.filter(() => false);
    this.#waiting = [];
    this.#came = 0;
    this.#seen = this.#matched = 0;
    if (!this.#isPausedByHand) this.#resume();
    this.#tell();
    this.announce("Cleared.");
  }

  #tellPause() {
    write(this.#parts.pause, this.#isPaused ? `Resume${this.#came > 0 ? ` (${number(this.#came)} new)` : ""}` : "Pause");
  }

  #tell() {
    const {state, empty, clear} = this.#parts;
    this.#tellPause();
    const {seen, matched, shown} = this.#rates.now();
    const isFiltered = Object.keys(this.#filters).length > 0;
    const few = shown < matched * 0.98 && matched - shown > 0.5;
    const said = few
      ? `${number(shown, 0)} of ${number(matched, 0)} msg/s${isFiltered ? " that match" : ""} are shown: a sample, the newest of each moment.`
      : `${number(shown)} msg/s, all of them${isFiltered ? " that match" : ""} shown.`;
    const held = this.#isPaused ? `Paused${this.#isPausedByHand ? "" : " while you read"}: ${number(this.#came)} came since${this.#came > MOST_ROWS ? `, the newest ${number(MOST_ROWS)} are kept` : ""}. ` : "";
    show(state, held === "" ? null : el("strong", {}, held), el("span", {}, said), isFiltered ? el("span", {class: "muted"}, ` ${number(seen)} msg/s in all.`) : null);
    clear.disabled = this.list.rows.length === 0 && this.#waiting.length === 0;
    const reason = this.list.rows.length === 0 ? this.#reason(isFiltered) : [];
    empty.hidden = reason.length === 0;
    this.list.node.classList.toggle("is-empty", reason.length > 0);
    const text = reason.join("\n");
    if (empty.dataset.text !== text) show(empty, reason.map((each) => el("p", {}, each)));
    empty.dataset.text = text;
  }

  /** Return why there is nothing to see, and what to do. */
  #reason(isFiltered) {
    const {overview, status} = this.live;
    if (status !== "live") return [status === "lost" ? "The connection to the simulator is lost." : "Connecting to the simulator.", "Messages are shown once it is there."];
    if (overview && !overview.broker.connected) return ["The broker is away, so nothing is delivered.", overview.broker.last_reason ?? ""];
    if (this.#isPaused && this.#waiting.length > 0) return ["Paused.", "Resume to see what came meanwhile."];
    if (isFiltered && this.#seen > 0 && this.#matched === 0) return ["No message matches these filters.", `${number(this.#seen)} have been looked at since they were set. Reset the filters to see all.`];
    return [isFiltered ? "No message that matches has come yet." : "No message has come yet.", "Each is shown as it is delivered to the broker."];
  }

  /** Return what an opened message shows. */
  #detail(row, close) {
    const zone = this.#zone();
    const facts = [
      ["Topic", el("span", {class: "mono"}, row.topic)],
      ["Delivered", `${day(row.at, zone)}, ${clock(row.at, zone)}${row.at.slice(19, 23)} ${zone ?? ""}`],
      ["Quality of service", `QoS ${row.qos}, ${row.retain ? "retained" : "not retained"}`],
      ["Category", row.category],
      ["Machine", row.machine_id === null ? "none" : el("a", {href: `#/machines/${encodeURIComponent(row.machine_id)}`}, row.machine_id)],
      ["Size", bytes(row.bytes)],
    ];
    const only = el("button", {type: "button", on: {click: () => { this.#parts.fields.topic.value = row.topic; this.#apply(); }}}, "Only this topic");
    return [
      el("dl", {class: "message-facts"}, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
      row.cut ? el("p", {class: "warn"}, `Cut: only the beginning of ${bytes(row.bytes)} is kept here.`) : null,
      el("pre", {class: "message-payload scroll", tabindex: "0", role: "region", "aria-label": "Payload"}, row.payload === "" ? "(empty)" : pretty(row.payload, row.cut)),
      el("div", {class: "row"}, copyButton("Copy payload", () => row.payload, this.announce), copyButton("Copy topic", () => row.topic, this.announce), only,
        el("button", {type: "button", class: "quiet", on: {click: close}}, "Close")),
    ];
  }
}
