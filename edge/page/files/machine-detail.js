// One machine: its states since the view was opened, its job, signals, faults, alarms, commands and newest messages.
import {quickActions} from "./actions.js";
import {bar, lineChart, stateBar, stateClass} from "./charts.js";
import {CLEAR_ALL, followTypes, whyNotPermitted} from "./commands.js";
import {el, set, show, write} from "./dom.js";
import {bytes, clock, number, percent, seconds, since, words} from "./format.js";
import {journalTable} from "./journal.js";

/** Show the machine of an id until the returned function is called. */
export function mountMachine(root, context, id) {
  const {live, api} = context;
  const now = {machine: null, type: null, types: null, events: [], overview: null};
  const zone = () => live.overview?.process?.time_zone;
  const heading = el("h1", {}, id);
  const about = el("p", {class: "row"});
  const notice = el("div", {class: "notice", hidden: true});
  const timeline = stateBar({label: "States"});
  const facts = el("dl", {class: "facts"});
  const opened = el("p", {class: "muted small"});
  const forbidden = el("p", {class: "muted", hidden: true});
  const quick = quickActions(context, () => ({machine_id: id}), [CLEAR_ALL]);
  const job = el("div");
  const faults = el("div");
  const alarms = el("div");
  const signals = el("div", {class: "grid"}, el("p", {class: "empty"}, "Loading."));
  const messages = el("div", {class: "stack"});
  const journal = journalTable(context, id);
  const charts = new Map();
  const topics = new Map();
  const content = el(
    "div",
    {class: "stack", hidden: true},
    el(
      "div",
      {class: "grid wide"},
      card("State", timeline.node, opened, facts),
      card("Commands", forbidden, quick.node, el("p", {}, el("a", {href: `#/control/${encodeURIComponent(id)}`}, "All commands for this machine"))),
      card("Job", job),
      card("Faults", faults),
      card("Alarms", alarms),
    ),
    el("section", {}, el("h2", {}, "Signals"), signals),
    card("Newest message of each topic", messages),
    card("Commands to this machine", journal.node),
  );
  show(root, el("p", {}, el("a", {href: "#/machines"}, "← All machines")), el("div", {class: "row machine-head"}, heading, about), notice, content);

  function say(text, more = null) {
    notice.hidden = !text;
    notice.className = `notice ${more === null ? "" : "bad"}`;
    show(notice, text ? el("p", {}, text) : null, more);
  }

  function failed(text) {
    const meant = /did you mean "([^"]+)"\?/.exec(text)?.[1];
    const link = meant ? el("a", {href: `#/machines/${encodeURIComponent(meant)}`}, `Show ${meant}`) : el("a", {href: "#/machines"}, "Show all machines");
    content.hidden = true;
    say(`✕ ${text}`, el("p", {}, link));
  }

  function onMachine({detail}) {
    if (detail.machine && detail.machine.machine_id !== id) return; // of the view before
    if (!detail.machine) return failed(detail.error ?? "There is no such machine.");
    now.machine = detail.machine;
    say("");
    content.hidden = false;
    update();
    for (const each of detail.messages ?? []) showMessage(each);
    if (!topics.size) show(messages, el("p", {class: "empty"}, "No message since this view was opened. The next one appears here."));
  }

  function update() {
    const {machine} = now;
    now.overview = live.overview;
    now.type = now.types?.find((each) => each.machine_type === machine?.machine_type) ?? null;
    if (machine === null) return;
    const producing = live.overview?.types?.[machine.machine_type]?.producing ?? null;
    const at = Date.parse(machine.at);
    timeline.update({producing});
    timeline.add(at, machine.state);
    if (!opened.textContent) write(opened, `Since this view was opened, at ${clock(machine.at, zone())}.`);
    show(about, el("span", {class: "chip"}, el("span", {class: `dot ${stateClass(machine.state, producing)}`}), words(machine.state)), el("span", {class: "muted"}, `${machine.machine_type} · ${machine.station_id}`));
    list(facts, [
      ["In this state for", `${seconds(Math.max(0, (at - Date.parse(machine.since)) / 1000))}, since ${clock(machine.since, zone())}`],
      ["Because of", machine.because],
      ["Reason", machine.reason],
      ["Messages sent", machine.readings && `${number(machine.readings.sent)}, one each ${seconds(machine.readings.period_seconds)}`],
    ]);
    showJob(machine);
    showFaults(machine);
    showAlarms(machine);
    showSignals(machine, at);
    const why = live.overview ? whyNotPermitted(live.overview, api) : null;
    write(forbidden, why);
    forbidden.hidden = !why;
    if (now.type) quick.update(now, why && "Not permitted.");
  }

  function showJob({job: work, jobs_finished: done}) {
    if (!work) return show(job, el("p", {class: "empty"}, "It makes no pieces."));
    const known = [["Kind", work.kind], ["Id", work.id], ["Begun", clock(work.started, zone())], ["Lot", work.lot], ["Order", work.order], ["Operator", work.operator], ["Finished before", number(done)]];
    const done_text = `${percent(work.progress, 0)} done`;
    show(job, bar(work.progress, done_text), el("p", {}, done_text), list(el("dl", {class: "facts"}), known));
  }

  function showFaults({faults: there, at}) {
    if (!there.length) return show(faults, el("p", {class: "good"}, "✓ No fault is active."));
    const row = (each) => [each.fault, `${number(each.severity)}${each.level === each.severity ? "" : `, now ${number(each.level)}`}`, words(each.cause), `${clock(each.since, zone())}, ${since(each.since, at)}`];
    show(faults, grid(["Fault", "Severity", "Cause", "Since"], there.map(row)));
  }

  function showAlarms({alarms: there}) {
    const declared = now.type?.alarms ?? [];
    if (!there.length) return show(alarms, el("p", {class: "good"}, declared.length || !now.type ? "✓ No alarm is active." : "✓ None: this type declares no alarms."));
    const row = (name) => {
      const {severity, signal, side, limit} = declared.find((each) => each.name === name) ?? {};
      return [`⚠ ${name}`, severity ?? "–", signal ? `${signal} ${side} ${number(limit)}` : "–"];
    };
    show(alarms, grid(["Alarm", "Severity", "Limit"], there.map(row)));
  }

  function showSignals({signals: there}, at) {
    const names = Object.keys(there);
    if (names.join() !== [...charts.keys()].join()) {
      charts.clear();
      names.forEach((name) => charts.set(name, chartOf(name, there[name])));
      show(signals, names.length ? [...charts.values()].map((each) => each.node) : el("p", {class: "empty"}, "This type declares no signals."));
    }
    for (const name of names) charts.get(name).add(at, there[name], now.type?.alarms ?? []);
  }

  function showMessage(row) {
    if (!topics.has(row.topic)) {
      if (!topics.size) show(messages);
      const made = {head: el("p", {class: "row small"}), body: el("pre", {class: "scroll", tabindex: "0", "aria-label": `Message of ${row.topic}`})};
      topics.set(row.topic, made);
      messages.append(el("article", {class: "message"}, el("h3", {class: "mono"}, row.topic), made.head, made.body));
    }
    const {head, body} = topics.get(row.topic);
    show(head, el("span", {class: "muted"}, `${clock(row.at, zone())}, ${bytes(row.bytes)}`), el("span", {class: "badge"}, `QoS ${row.qos}`), el("span", {class: "badge"}, row.retain ? "retained" : "not retained"));
    write(body, pretty(row.payload) + (row.cut ? "\n… cut here" : ""));
  }

  function onRefused({detail}) {
    failed(detail.detail);
  }
  function onOverview({detail}) {
    if (detail.has("journal")) journal.update();
  }
  say("Waiting for the first figures of this machine.");
  live.addEventListener("machine", onMachine);
  live.addEventListener("refused", onRefused);
  live.addEventListener("overview", onOverview);
  const end = followTypes(context, (known) => update(Object.assign(now, known)), (error) => context.announce(error.message));
  live.watch({machine: id, traffic: null});
  return () => {
    end();
    live.removeEventListener("machine", onMachine);
    live.removeEventListener("refused", onRefused);
    live.removeEventListener("overview", onOverview);
    live.watch();
  };
}

/** Return a signal with its chart: {node, add(timeMs, signal, alarms)}. Text and bits have no chart. */
function chartOf(name, {unit, description}) {
  const value = el("b", {class: "value"});
  const range = el("p", {class: "muted small"});
  const chart = lineChart({label: name, unit: unit ?? ""});
  const node = el("section", {class: "card signal"}, el("h3", {class: "row between"}, el("span", {}, words(name)), value), description ? el("p", {class: "muted small"}, description) : null, chart.node, range);
  return {
    node,
    add(at, signal, alarms) {
      const {value: is, limits, set_point: point} = signal;
      const isNumber = typeof is === "number";
      write(value, is === null ? "no value" : `${isNumber ? number(is) : is} ${unit ?? ""}`);
      chart.node.hidden = !isNumber && is !== null;
      chart.update({limits, setPoint: point});
      chart.add(at, isNumber ? is : null);
      const own = alarms.filter((each) => each.signal === name).map((each) => `alarm ${each.side} ${number(each.limit)}`);
      const known = [limits && `limits ${number(limits[0])} to ${number(limits[1])}`, point === null ? null : `set point ${number(point)}`, ...own];
      write(range, known.filter(Boolean).join(" · ") || "no limits");
    },
  };
}

/** Return JSON with a line for each member, its numbers as they are written; any other text as it is. */
export function pretty(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  return text.replace(/"(?:[^"\\]|\\.)*"|[{}[\],:]|\s+|[^\s"{}[\],:]+/g, (part, place) => {
    if (/^\s/.test(part)) return "";
    if (part === ":") return ": ";
    if (part === ",") return `,${line()}`;
    const isEmpty = /^(\{\s*\}|\[\s*\])/.test(text.slice(place, place + 40));
    if (part === "{" || part === "[") return isEmpty ? part : ((depth += 1), `${part}${line()}`);
    if (part !== "}" && part !== "]") return part;
    if (/[{[]\s*$/.test(text.slice(0, place))) return part;
    depth -= 1;
    return `${line()}${part}`;
  });
}

function card(title, ...children) {
  return el("section", {class: "card"}, el("h2", {}, title), children);
}

/** Fill a list of facts, without those that there are not. */
function list(node, facts) {
  const known = facts.filter(([, value]) => value !== null && value !== undefined);
  return show(node, known.map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]));
}

function grid(heads, rows) {
  const head = el("tr", {}, heads.map((each) => el("th", {scope: "col"}, each)));
  return el("table", {class: "data"}, el("thead", {}, head), el("tbody", {}, rows.map((row) => el("tr", {}, row.map((each) => el("td", {}, each))))));
}
