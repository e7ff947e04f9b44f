/** Live traffic: messages as they are delivered, by filters that the simulator applies. */

import {el, set, show, write} from "./dom.js";
import {bytes, clock, day, number} from "./format.js";
import {copyButton, pretty} from "./payload.js";

const MOST_ROWS = 1000;
const TYPING_MS = 300;
const SPAN_MS = 5000;
const DRAW_MS = 400; // nobody reads faster
const PAGE_ROWS = 60; // in the page while it is live; scrolling down adds more of them
const PREVIEW = 240;
const CATEGORIES = ["telemetry", "event", "alarm", "status", "command", "order"];
const FILTERS = {
  topic: ["Topic filter", "factory/+/status"],
  category: ["Category", ["", "Any"], ...CATEGORIES.map((each) => [each, each])],
  qos: ["QoS", ["", "Any"], ["0", "0"], ["1", "1"]],
  retain: ["Retained", ["", "Any"], ["true", "Retained"], ["false", "Not retained"]],
  text: ["Text", "In topic or payload"],
};
const COLUMNS = ["time", "topic", "machine", "category", "qos", "size", "payload"];

export const view = {path: "traffic", title: "Traffic", mount: (root, context) => new Traffic(root, context).start()};

class Traffic {
  #messages = []; // the newest first
  #rows = []; // the first of them, as elements, which are used again
  #waiting = []; // the newest last, as those that come
  #came = 0; // while paused
  #pause = null; // "hand" or "reading"
  #filters = {};
  #counts = [];
  #since = 0; // of the counts
  #drawing = 0;
  #matched = 0; // since the filters were set
  #seen = 0;
  #timer = 0;
  #fields = {};
  #wrong = {};

  constructor(root, {live, announce, query}) {
    Object.assign(this, {live, announce});
    const pauses = () => this.#toggle();
    this.pauseButton = el("button", {type: "button", class: "primary", on: {click: pauses}}, "Pause");
    this.clearButton = el("button", {type: "button", on: {click: () => this.#clear()}}, "Clear");
    this.resetButton = el("button", {type: "button", class: "quiet", on: {click: () => this.#reset()}}, "Reset filters");
    this.state = el("p", {class: "traffic-state"});
    this.empty = el("div", {class: "empty"});
    this.list = el("div", {
      class: "traffic-list", role: "group", tabindex: "0", "aria-label": "Messages, the newest first",
      on: {scroll: () => this.#read(), keydown: (event) => this.#key(event), focusin: () => this.#read(), focusout: () => setTimeout(() => this.#read())},
    });
    show(
      root,
      el("h1", {}, "Traffic"),
      el("form", {class: "card traffic-filters", role: "search", "aria-label": "Messages", on: {submit: (event) => event.preventDefault()}},
        Object.keys(FILTERS).map((name) => this.#field(name, query?.get(name) ?? "")),
        el("div", {class: "row"}, this.pauseButton, this.clearButton, this.resetButton)),
      this.state,
      el("div", {class: "card traffic-box"},
        el("div", {class: "traffic-row traffic-head", "aria-hidden": "true"}, COLUMNS.map((name) => el("span", {}, name === "qos" ? "QoS" : name))),
        this.list, this.empty),
    );
  }

  start() {
    const listeners = {
      traffic: ({detail}) => this.#take(detail),
      refused: ({detail}) => this.#refused(detail),
      status: () => this.#tell(),
    };
    for (const [name, listener] of Object.entries(listeners)) this.live.addEventListener(name, listener);
    const ticking = setInterval(() => this.#tell(), 1000);
    this.#apply();
    return () => {
      for (const [name, listener] of Object.entries(listeners)) this.live.removeEventListener(name, listener);
      clearInterval(ticking);
      clearTimeout(this.#timer);
      clearTimeout(this.#drawing);
    };
  }

  #field(name, value) {
    const [label, ...options] = FILTERS[name];
    const id = `traffic-${name}`;
    const typed = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#apply(), TYPING_MS);
    };
    const common = {id, "aria-describedby": `${id}-wrong`, on: {input: typed}};
    this.#fields[name] = Array.isArray(options[0])
      ? el("select", common, options.map(([each, text]) => el("option", {value: each, selected: each === value}, text)))
      : el("input", {...common, type: "search", value, placeholder: options[0], autocomplete: "off", autocapitalize: "off", spellcheck: "false"});
    this.#wrong[name] = el("span", {class: "bad", id: `${id}-wrong`, role: "alert"});
    return el("div", {class: `field ${id}`}, el("label", {for: id}, label), this.#fields[name], this.#wrong[name]);
  }

  /** Have the simulator filter by what the fields say; what came by others is let go. */
  #apply() {
    clearTimeout(this.#timer);
    const found = Object.entries(this.#fields).flatMap(([name, {value}]) => (value === "" ? [] : [[name, value]]));
    this.#filters = Object.fromEntries(found);
    for (const name of Object.keys(FILTERS)) this.#mark(name, null);
    this.resetButton.hidden = found.length === 0;
    this.live.watch({traffic: this.#filters});
    this.#clear();
  }

  #mark(name, why) {
    write(this.#wrong[name], why);
    set(this.#fields[name], "aria-invalid", why && "true");
  }

  #refused({errors, detail}) {
    const named = errors.filter(({path}) => path in this.#fields);
    named.forEach((each) => this.#mark(each.path, each.detail));
    if (named.length === 0) this.#mark("topic", detail);
    this.#tell();
  }

  #reset() {
    for (const field of Object.values(this.#fields)) field.value = "";
    this.#apply();
    this.#fields.topic.focus();
  }

  #take({seen, matched, rows}) {
    this.#seen += seen;
    this.#matched += matched;
    this.#counts.push({at: performance.now(), seen, matched, shown: rows.length});
    this.#waiting = [...this.#waiting, ...rows].slice(-MOST_ROWS);
    if (this.#pause === null) this.#drawing ||= setTimeout(() => this.#flow(), this.#messages.length > 0 ? DRAW_MS : 0);
    else this.#came += matched;
    this.#tellPause();
  }

  /** Show what waits above all others. */
  #flow() {
    this.#drawing = 0;
    if (this.#pause !== null) return;
    this.#messages = [...this.#waiting.reverse(), ...this.#messages].slice(0, MOST_ROWS);
    this.#waiting = [];
    this.#draw(PAGE_ROWS);
    if (this.empty.hidden !== this.#messages.length > 0) this.#tell();
  }

  #draw(most) {
    const count = Math.min(most, this.#messages.length);
    while (this.#rows.length < count) this.#rows.push(this.#row());
    for (const {node} of this.#rows.splice(count)) node.remove();
    this.#rows.forEach((row, place) => this.#fill(row, this.#messages[place]));
  }

  #row() {
    const cells = COLUMNS.map((name) => el("span", {class: `traffic-${name}`}));
    const body = el("div", {class: "traffic-detail"});
    const row = {cells, body, message: null};
    row.node = el("details", {on: {toggle: () => this.#opened(row)}}, el("summary", {class: "traffic-row"}, cells), body);
    this.list.append(row.node);
    return row;
  }

  #fill(row, message) {
    if (row.message === message) return;
    const {at, topic, machine_id: machine, category, qos, retain, payload, cut} = message;
    row.message = message;
    row.node.open = false;
    const texts = [this.#clock(at), topic, machine, category, `QoS ${qos}${retain ? ", retained" : ""}`, `${bytes(message.bytes)}${cut ? ", cut" : ""}`, payload.slice(0, PREVIEW)];
    texts.forEach((text, place) => write(row.cells[place], text));
  }

  #clock(at) {
    return `${clock(at, this.live.overview?.process.time_zone)}${at.slice(19, 23)}`;
  }

  #opened({node, body, message}) {
    show(body, node.open ? this.#detail(message) : null);
    this.#read();
  }

  #detail({at, topic, machine_id: machine, payload, cut, bytes: size}) {
    const zone = this.live.overview?.process.time_zone;
    const only = () => {
      this.#fields.topic.value = topic;
      this.#apply();
    };
    return [
      el("p", {class: "mono"}, topic),
      el("p", {}, `${day(at, zone)}, ${this.#clock(at)} ${zone ?? ""}`, machine === null ? null : [" · machine ", el("a", {href: `#/machines/${encodeURIComponent(machine)}`}, machine)]),
      cut ? el("p", {class: "warn"}, `Cut: this is only the beginning of ${bytes(size)}.`) : null,
      el("pre", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Payload"}, payload === "" ? "(empty)" : pretty(payload)),
      el("div", {class: "row"},
        copyButton("Copy payload", () => payload, this.announce), copyButton("Copy topic", () => topic, this.announce),
        el("button", {type: "button", on: {click: only}}, "Only this topic")),
    ];
  }

  /** Wait while somebody reads, so that nothing moves under their eyes; go on once they are back at the top. */
  #read() {
    const {list} = this;
    if (list.scrollTop + list.clientHeight > list.scrollHeight - 200 && list.scrollTop > 0) this.#draw(this.#rows.length + PAGE_ROWS);
    const isReading = list.scrollTop > 40 || list.querySelector("[open]") !== null || list.querySelector(":focus-visible") !== null;
    if (isReading && this.#pause === null) this.#hold("reading");
    else if (!isReading && this.#pause === "reading") this.#resume();
  }

  #key(event) {
    const {activeElement: at} = document;
    if (event.key === "Escape") {
      const open = at.closest("[open]");
      if (open) open.open = false;
      (open?.firstChild ?? this.pauseButton).focus();
      return;
    }
    if ((event.key !== "ArrowDown" && event.key !== "ArrowUp") || at.tagName === "PRE") return;
    const here = at.closest("details");
    if (here && here === this.list.lastChild) this.#draw(this.#rows.length + PAGE_ROWS);
    const to = event.key === "ArrowDown" ? (here ? here.nextSibling : this.list.firstChild) : here?.previousSibling;
    to?.firstChild.focus();
    event.preventDefault();
  }

  #toggle() {
    if (this.#pause === null) {
      this.#hold("hand");
    } else {
      for (const each of this.list.querySelectorAll("[open]")) each.open = false;
      this.list.scrollTop = 0;
      this.#resume();
    }
    this.announce(this.#pause === null ? "Live" : "Paused");
  }

  #hold(reason) {
    this.#pause = reason;
    this.#tell();
  }

  #resume() {
    this.#pause = null;
    this.#came = 0;
    this.#flow();
    this.#tell();
  }

  #clear() {
    this.#messages = [];
    this.#waiting = [];
    this.#counts = [];
    this.#draw(0);
    this.#since = performance.now();
    this.#came = this.#seen = this.#matched = 0;
    if (this.#pause === "reading") this.#pause = null;
    this.#tell();
  }

  #tellPause() {
    write(this.pauseButton, this.#pause === null ? "Pause" : `Resume (${number(this.#came)} new)`);
  }

  #tell() {
    this.#tellPause();
    const isFiltered = Object.keys(this.#filters).length > 0;
    const held = this.#pause === null ? "" : `Paused${this.#pause === "reading" ? " while you read" : ""}.${this.#waiting.length === MOST_ROWS ? ` The newest ${number(MOST_ROWS)} are kept.` : ""} `;
    show(this.state, el("strong", {}, held), this.#rate(isFiltered));
    this.clearButton.disabled = this.#messages.length + this.#waiting.length === 0;
    const why = this.#messages.length > 0 ? "" : this.#why(isFiltered);
    this.empty.hidden = why === "";
    write(this.empty, why);
  }

  /** Return how many messages of how many are shown. */
  #rate(isFiltered) {
    const now = performance.now();
    while (this.#counts.length > 0 && now - this.#counts[0].at > SPAN_MS) this.#since = this.#counts.shift().at;
    const span = Math.max(1000, now - this.#since) / 1000;
    const [seen, matched, shown] = ["seen", "matched", "shown"].map((name) => this.#counts.reduce((sum, each) => sum + each[name], 0) / span);
    const such = isFiltered ? " that match" : "";
    const said = matched - shown > 0.5 ? `A sample: ${number(shown, 0)} of ${number(matched, 0)} msg/s${such} shown.` : `${few(matched)} msg/s${such}, all shown.`;
    return isFiltered ? `${said} ${few(seen)} msg/s in all.` : said;
  }

  /** Return why there is nothing to see. */
  #why(isFiltered) {
    const {overview, status} = this.live;
    if (status !== "live") return `${status === "lost" ? "The connection to the simulator is lost" : "Connecting to the simulator"}. Messages are shown once it is there.`;
    if (overview && !overview.broker.connected) return `The broker is away, so nothing is delivered: ${overview.broker.last_reason}.`;
    if (Object.values(this.#wrong).some(({textContent}) => textContent !== "")) return "No message is looked for: a filter is wrong.";
    if (this.#waiting.length > 0) return "Paused. Resume to see what has come.";
    if (isFiltered && this.#seen > 0) return `No message matches these filters; ${number(this.#seen)} have been looked at. Reset the filters to see them.`;
    return "No message has come yet. Each is shown when it is delivered.";
  }
}

/** Return a rate with a digit after the point where it is small. */
function few(rate) {
  return number(rate, rate < 9.95 && rate > 0 ? 1 : 0);
}
