// One machine: its states since the view was opened, its job, signals, faults, alarms, commands and newest messages.
import {quickActions} from "./actions.js";
import {bar, lineChart, stateBar} from "./charts.js";
import {whyNotPermitted} from "./commands.js";
import {el, keyed, show, write} from "./dom.js";
import {follow} from "./follow.js";
import {bytes, clock, number, percent, seconds, since, words} from "./format.js";
import {journalTable} from "./journal.js";
import {card, isNew, linkTo, stateChip, table, unitOf} from "./parts.js";
import {pretty} from "./payload.js";

/** Show the machine of an id until the returned function is called. */
export function mountMachine(root, context, id) {
  const time = (iso) => clock(iso, context.live.overview?.process.time_zone);
  const about = el("p", {class: "row"});
  const notice = el("div", {class: "notice"}, "Waiting for the first figures of this machine.");
  const timeline = stateBar({label: "States"});
  const opened = el("p", {class: "muted small"});
  const forbidden = el("p", {class: "muted"});
  const quick = quickActions(context, () => ({machine_id: id}));
  const [facts, work] = [el("dl", {class: "facts"}), el("dl", {class: "facts"})];
  const done = bar(0, "");
  const progress = el("p", {class: "muted"});
  const [faults, alarms] = [el("div"), el("div")];
  const signals = el("div", {class: "grid fit"});
  const messages = el("div", {class: "grid"});
  const showSignals = keyed(signals, signalCard, ([name]) => name);
  const showMessages = keyed(messages, (row) => messageCard(row, time), ({topic}) => topic);
  const journal = journalTable(context, id);
  const content = el(
    "div",
    {class: "stack machine", hidden: true},
    el(
      "div",
      {class: "grid fit"},
      card("State", timeline.node, opened, facts),
      card("Commands", forbidden, quick.node, el("p", {}, el("a", {href: linkTo(id, "control")}, "More commands"))),
      card("Job", done, progress, work),
      card("Faults and alarms", faults, alarms),
    ),
    el("h2", {}, "Signals"),
    signals,
    el("p", {class: "empty"}, "This type declares no signals."),
    card("Newest message of each topic", messages, el("p", {class: "empty"}, "None since this view was opened. The next one appears here.")),
    card("Journal of this machine", journal.node),
  );
  show(root, el("p", {}, el("a", {href: "#/machines"}, "← All machines")), el("div", {class: "row machine-head"}, el("h1", {}, id), about), notice, content);

  const {now, watch, end} = follow(context, update);

  function update(newest) {
    content.hidden = now.machine === null;
    if (now.error !== null) return failed(now.error);
    if (now.machine === null) return;
    notice.hidden = true;
    const {machine, overview, type} = now;
    const at = Date.parse(machine.at);
    timeline.update({producing: overview?.types[machine.machine_type]?.producing});
    timeline.add(at, machine.state);
    if (!opened.firstChild) write(opened, `Since this view was opened, at ${time(machine.at)}.`);
    show(about, stateChip(now), el("span", {class: "muted"}, [machine.machine_type, machine.station_id].filter((name) => name !== "none").join(" · ")));
    tell(facts, {
      "In this state for": `${seconds(Math.max(0, (at - Date.parse(machine.since)) / 1000))}, since ${time(machine.since)}`,
      "Because of": machine.because,
      Reason: machine.reason,
      "Regular messages": machine.readings && `${number(machine.readings.sent)}, one each ${seconds(machine.readings.period_seconds)}`,
    });
    showJob(machine);
    showTroubles(machine, type?.alarms ?? []);
    showSignals(Object.entries(machine.signals).map(([name, signal]) => [name, signal, at, type?.alarms ?? []]));
    if (newest) showMessages(newest.toSorted((one, other) => (one.topic < other.topic ? -1 : 1)));
    const why = whyNotPermitted(now, context.api);
    write(forbidden, why);
    quick.update(now, why ?? (type === null ? "Loading." : null));
    journal.update();
  }

  function failed(text) {
    notice.hidden = false;
    show(about); // its state is not known any more
    if (!isNew(notice, text)) return;
    const meant = /did you mean "([^"]+)"\?/.exec(text)?.[1];
    notice.className = "notice bad";
    show(notice, el("p", {}, `✕ ${text}`), meant && el("p", {}, el("a", {href: linkTo(meant)}, `Show ${meant}`)));
  }

  function showJob({job, jobs_finished: finished}) {
    const text = job === null ? "It has no job." : `${percent(job.progress, 0)} done`;
    write(progress, text);
    done.hidden = job === null;
    done.update(job?.progress, text);
    if (job !== null) tell(work, {Kind: job.kind, Id: job.id, Begun: time(job.started), Lot: job.lot, Order: job.order, Operator: job.operator, "Jobs finished": number(finished)});
  }

  function showTroubles({faults: active, alarms: raised, at}, declared) {
    const ofFault = ({fault, severity, level, cause, since: begin}) => {
      const now = number(level) === number(severity) ? "" : `, now ${number(level)}`;
      return [`✕ ${fault} (${words(cause)})`, `${number(severity)}${now}`, `${time(begin)}, ${since(begin, at)}`];
    };
    const ofAlarm = (name) => {
      const {severity, signal, side, limit} = declared.find((each) => each.name === name) ?? {};
      return [`⚠ ${name}`, severity, signal && `${signal} ${side} ${number(limit)}`];
    };
    list(faults, ["Fault (cause)", "Severity", "Since"], active.map(ofFault), "✓ No fault is active.");
    list(alarms, ["Alarm", "Severity", "Limit"], raised.map(ofAlarm), declared.length ? "✓ No alarm is active." : "This type declares no alarms.");
  }

  watch(id);
  return end;
}

/** Return a signal with its chart: {node, update}. Text has no chart. */
function signalCard([name, {unit, description}]) {
  const value = el("b");
  const known = el("p", {class: "muted small"});
  const chart = lineChart({label: name, unit: unitOf(unit)});
  return {
    node: el("section", {class: "card"}, el("h3", {class: "row between"}, words(name), value), description && el("p", {class: "muted small"}, description), chart.node, known),
    update([, {value: is, limits, set_point: point}, at, alarms]) {
      const isNumber = typeof is === "number";
      const own = alarms.filter((each) => each.signal === name);
      const fine = ["low", "high"].map((side, place) => own.find((each) => each.side === side)?.limit ?? limits?.[place] ?? null);
      write(value, is === null ? "no value" : `${isNumber ? number(is) : is} ${unitOf(unit)}`);
      chart.node.hidden = typeof is === "string";
      chart.update({limits: fine.some((limit) => limit !== null) ? fine : null, setPoint: point});
      chart.add(at, isNumber ? is : null);
      const all = [limits && `limits ${number(limits[0])} to ${number(limits[1])}`, point !== null && `set point ${number(point)}`, ...own.map((each) => `alarm ${each.side} ${number(each.limit)}`)];
      write(known, all.filter(Boolean).map((text) => `${text} ${unitOf(unit)}`.trim()).join(" · ") || "no limits");
    },
  };
}

function messageCard({topic}, time) {
  const head = el("p", {class: "row small"});
  const body = el("pre", {class: "scroll", tabindex: "0", "aria-label": `Payload of ${topic}`});
  return {
    node: el("article", {}, el("h3", {class: "mono"}, topic), head, body),
    update({at, qos, retain, bytes: size, payload, cut}) {
      const badges = [`QoS ${qos}`, retain ? "retained" : "not retained"].map((text) => el("span", {class: "badge"}, text));
      show(head, el("span", {class: "muted"}, `${time(at)}, ${bytes(size)}`), badges);
      write(body, pretty(payload) + (cut ? "\n… cut here" : ""));
    },
  };
}

/** Fill a list of facts, without those that there are not. */
function tell(node, facts) {
  const known = Object.entries(facts).filter(([, value]) => value !== null && value !== undefined);
  if (isNew(node, known)) show(node, known.map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]));
}

function list(node, heads, rows, none) {
  if (!isNew(node, [rows, none])) return;
  const body = el("tbody", {}, rows.map((row) => el("tr", {}, row.map((text) => el("td", {}, text)))));
  show(node, rows.length ? table("", heads, body) : el("p", {class: "muted"}, none));
}
