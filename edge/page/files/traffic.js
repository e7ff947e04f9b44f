// Live traffic: messages as they are delivered, by filters that the simulator applies.
import {el, set, show, write} from "./dom.js";
import {bytes, clock, day, number} from "./format.js";
import {linkTo} from "./parts.js";
import {block, button, copyButton, listen, pretty} from "./payload.js";

const MOST_KEPT = 1000;
const ROWS = 60; // in the page while it is live; scrolling down adds as many again
const DRAW_MS = 400; // nobody reads faster
const TYPING_MS = 300;
const SPAN_MS = 5000;
const PREVIEW = 240;
const any = (...names) => [["", "Any"], ...names.map((name) => (Array.isArray(name) ? name : [name, name]))];
const FILTERS = {
  topic: ["Topic filter", "factory/+/status"],
  category: ["Category", any("telemetry", "event", "alarm", "status", "command", "order")],
  qos: ["QoS", any("0", "1")],
  retain: ["Retained", any(["true", "Retained"], ["false", "Not retained"])],
  text: ["Text", "In topic or payload"],
};
const COLUMNS = {time: "Time", topic: "Topic", machine: "Machine", category: "Category", qos: "QoS", size: "Size", payload: "Payload"};

export const view = {path: "traffic", title: "Traffic", mount: (root, context) => new Traffic(root, context).start()};

class Traffic {
  #kept = []; // the newest first
  #rows = []; // the elements of the first of them, which are used again
  #waiting = []; // the newest last, as they come
  #pause = null; // "hand" or "reading"
  #came = 0; // since then
  #counts = []; // of the last seconds
  #since = 0; // when these begin
  #isFirst = true; // the next event of the stream
  #isBusy = false; // the simulator, with what others look for
  #filters = {};
  #fields = {};
  #wrong = {};

  constructor(root, {live, announce, query}) {
    Object.assign(this, {live, announce});
    this.pauser = button("Pause", () => this.#toggle(), "primary");
    this.clearer = button("Clear", () => this.#clear());
    this.resetter = button("Reset filters", () => this.#reset(), "quiet");
    this.state = el("p", {class: "traffic-state"});
    this.empty = el("p", {class: "empty"});
    const read = () => this.#read();
    const on = {scroll: read, focusin: read, focusout: () => setTimeout(read), keydown: (event) => this.#key(event)};
    this.list = el("div", {class: "traffic-list", role: "group", tabindex: "0", "aria-label": "Messages, the newest first", on});
    const head = Object.values(COLUMNS).map((name) => el("span", {}, name));
    show(
      root,
      el("h1", {}, "Traffic"),
      el("form", {class: "card traffic-filters", role: "search", on: {submit: (event) => event.preventDefault()}},
        Object.keys(FILTERS).map((name) => this.#field(name, query?.get(name) ?? "")),
        el("div", {class: "row"}, this.pauser, this.clearer, this.resetter)),
      this.state,
      el("div", {class: "card traffic-box"}, el("div", {class: "traffic-row traffic-head", "aria-hidden": "true"}, head), this.list, this.empty),
    );
  }

  start() {
    const end = listen(this.live, {traffic: ({detail}) => this.#take(detail), refused: ({detail}) => this.#refused(detail), status: () => this.#reopened()});
    const ticking = setInterval(() => this.#tell(), 1000);
    this.#apply();
    return () => {
      end();
      [ticking, this.typing, this.drawing].forEach(clearTimeout);
    };
  }

  #field(name, value) {
    const [label, choice] = FILTERS[name];
    const id = `traffic-${name}`;
    const input = () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.#apply(), TYPING_MS);
    };
    const common = {id, "aria-describedby": `${id}-wrong`, on: {input}};
    this.#fields[name] = Array.isArray(choice)
      ? el("select", common, choice.map(([each, text]) => el("option", {value: each, selected: each === value}, text)))
      : el("input", {...common, type: "search", value, placeholder: choice, autocomplete: "off", autocapitalize: "off", spellcheck: "false"});
    this.#wrong[name] = el("span", {class: "bad", id: `${id}-wrong`, role: "alert"});
    return el("div", {class: `field ${id}`}, el("label", {for: id}, label), this.#fields[name], this.#wrong[name]);
  }

  /** Have the simulator filter by what the fields say; what came by others is let go. */
  #apply() {
    clearTimeout(this.typing);
    const found = Object.entries(this.#fields).flatMap(([name, {value}]) => (value === "" ? [] : [[name, value]]));
    this.#filters = Object.fromEntries(found);
    Object.keys(FILTERS).forEach((name) => this.#mark(name, null));
    this.resetter.hidden = found.length === 0;
    this.live.watch({traffic: this.#filters});
    this.#isFirst = true;
    this.#isBusy = false;
    this.#clear();
  }

  #reopened() {
    this.#isFirst = true;
    this.#tell();
  }

  #mark(name, why) {
    write(this.#wrong[name], why);
    set(this.#fields[name], "aria-invalid", why && "true");
  }

  #refused({errors, detail, status}) {
    this.#isBusy = status === 503;
    if (this.#isBusy) return this.#tell();
    const named = errors.filter(({path}) => path in this.#fields);
    for (const each of named.length > 0 ? named : [{path: "topic", detail}]) this.#mark(each.path, each.detail);
    return this.#tell();
  }

  #reset() {
    Object.values(this.#fields).forEach((field) => (field.value = ""));
    this.#apply();
    this.#fields.topic.focus();
  }

  #take({seen, matched, rows}) {
    if (this.#isFirst) this.#since = performance.now(); // it has what came before, too
    else this.#counts.push({at: performance.now(), seen, matched, shown: rows.length});
    this.#isFirst = this.#isBusy = false;
    this.#waiting = [...this.#waiting, ...rows].slice(-MOST_KEPT);
    if (this.#pause === null) this.drawing ||= setTimeout(() => this.#flow(), this.#kept.length > 0 ? DRAW_MS : 0);
    else this.#came += matched;
    this.#tellPause();
  }

  /** Show what waits above all others. */
  #flow() {
    this.drawing = 0;
    if (this.#pause !== null) return;
    this.#kept = [...this.#waiting.reverse(), ...this.#kept].slice(0, MOST_KEPT);
    this.#waiting = [];
    this.#draw(ROWS);
    if (this.empty.hidden !== this.#kept.length > 0) this.#tell();
  }

  #draw(most) {
    const shown = this.#kept.slice(0, most);
    while (this.#rows.length < shown.length) this.#rows.push(this.#row());
    this.#rows.splice(shown.length).forEach(({node}) => node.remove());
    shown.forEach((message, place) => this.#fill(this.#rows[place], message));
  }

  #row() {
    const cells = Object.keys(COLUMNS).map((name) => el("span", {class: `traffic-${name}`}));
    const body = el("div", {class: "traffic-detail"});
    const row = {cells, body};
    const toggle = () => {
      show(body, row.node.open && this.#detail(row.message));
      this.#read();
    };
    row.node = el("details", {on: {toggle}}, el("summary", {class: "traffic-row"}, cells), body);
    this.list.append(row.node);
    return row;
  }

  #fill(row, message) {
    if (row.message === message) return;
    const {at, topic, machine_id: machine, category, qos, retain, payload, cut} = message;
    row.message = message;
    row.node.open = false;
    const size = bytes(message.bytes) + (cut ? ", cut" : "");
    const texts = [this.#clock(at), topic, machine, category, `QoS ${qos}${retain ? ", retained" : ""}`, size, payload.slice(0, PREVIEW)];
    texts.forEach((text, place) => write(row.cells[place], text));
  }

  get #isWrong() {
    return Object.values(this.#wrong).some(({textContent}) => textContent);
  }

  get #zone() {
    return this.live.overview?.process.time_zone;
  }

  #clock(at) {
    return clock(at, this.#zone) + at.slice(19, 23);
  }

  #detail({at, topic, machine_id: machine, payload, cut, bytes: size}) {
    const only = () => {
      this.#fields.topic.value = topic;
      this.#apply();
    };
    return [
      el("p", {class: "mono"}, topic),
      el("p", {}, `${day(at, this.#zone)}, ${this.#clock(at)} ${this.#zone ?? ""}`, machine && [" · ", el("a", {href: linkTo(machine)}, machine)]),
      cut && el("p", {class: "warn"}, `Cut: this is only the beginning of ${bytes(size)}.`),
      block("Payload", pretty(payload) || "(empty)"),
      el("div", {class: "row"}, copyButton("Copy payload", () => payload, this.announce), button("Only this topic", only)),
    ];
  }

  /** Wait while somebody reads, so that nothing moves under their eyes; go on once they are back at the top. */
  #read() {
    const {list} = this;
    const {scrollTop, scrollHeight, clientHeight} = list;
    if (scrollTop > 0 && scrollTop + clientHeight > scrollHeight - 200) this.#draw(this.#rows.length + ROWS);
    const isReading = scrollTop > 40 || list.querySelector("[open], :focus-visible") !== null;
    if (isReading && this.#pause === null) this.#hold("reading");
    else if (!isReading && this.#pause === "reading") this.#resume();
  }

  #key(event) {
    const {target, key} = event;
    const here = target.closest("details");
    if (key === "Escape") {
      (here?.open ? here.firstChild : this.pauser).focus();
      if (here) here.open = false;
    } else if (key.startsWith("Arrow") && target.tagName !== "PRE") {
      if (here && here === this.list.lastChild) this.#draw(this.#rows.length + ROWS);
      const to = {ArrowDown: here ? here.nextSibling : this.list.firstChild, ArrowUp: here?.previousSibling}[key];
      to?.firstChild.focus();
      if (to) event.preventDefault();
    }
  }

  #toggle() {
    const wasPaused = this.#pause !== null;
    this.announce(wasPaused ? "Live" : "Paused");
    if (!wasPaused) return this.#hold("hand");
    this.list.querySelectorAll("[open]").forEach((each) => (each.open = false));
    this.list.scrollTop = 0;
    return this.#resume();
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
    this.#kept = [];
    this.#waiting = [];
    this.#counts = [];
    this.#since = performance.now();
    this.#came = 0;
    this.#draw(0);
    if (this.#pause === "reading") this.#pause = null;
    this.#tell();
  }

  #tellPause() {
    write(this.pauser, this.#pause === null ? "Pause" : `Resume (${number(this.#came)} new)`);
  }

  #tell() {
    this.#tellPause();
    const held = this.#pause === null ? "" : `Paused${this.#pause === "reading" ? " while you read" : ""}.${this.#waiting.length === MOST_KEPT ? " The newest 1,000 are kept." : ""} `;
    const isFiltered = Object.keys(this.#filters).length > 0;
    show(this.state, el("strong", {}, held), this.#isWrong ? "No messages are counted." : this.#rate(isFiltered));
    this.clearer.disabled = this.#kept.length + this.#waiting.length === 0;
    this.empty.hidden = this.#kept.length > 0;
    write(this.empty, this.#why(isFiltered));
  }

  /** Return how many messages of how many are shown. */
  #rate(isFiltered) {
    const now = performance.now();
    while (now - this.#counts[0]?.at > SPAN_MS) this.#since = this.#counts.shift().at;
    const rate = (name) => (this.#counts.reduce((sum, each) => sum + each[name], 0) * 1000) / Math.max(1000, now - this.#since);
    const [seen, matched, shown] = ["seen", "matched", "shown"].map(rate);
    const few = (x) => number(x, x > 0 && x < 9.95 ? 1 : 0);
    const such = isFiltered ? " that match" : "";
    const said = matched - shown > 0.5 ? `A sample: ${few(shown)} of ${few(matched)} msg/s${such} shown.` : `${few(matched)} msg/s${such}, all shown.`;
    return isFiltered ? `${said} ${few(seen)} msg/s in all.` : said;
  }

  /** Return why there is nothing to see. */
  #why(isFiltered) {
    const {overview, status} = this.live;
    if (status !== "live") return "Messages are shown once the simulator is connected.";
    if (overview && !overview.broker.connected) return `The broker is away, so nothing is delivered: ${overview.broker.last_reason}.`;
    if (this.#isWrong) return "No message is looked for: a filter is wrong.";
    if (this.#isBusy) return "Others look for so many messages that these wait. They are asked for again in a moment.";
    if (this.#waiting.length > 0) return "Paused. Resume to see what has come.";
    return isFiltered ? "No message that matches has come yet. Reset the filters to see all." : "No message has come yet.";
  }
}
