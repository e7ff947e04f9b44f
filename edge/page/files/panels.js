/** The cards of the overview beside the machines. Each changes the texts it has, and builds nothing anew. */

import {bar, segments} from "./charts.js";
import {el, els, keyed, set, write} from "./dom.js";
import {clock, count, day, number, percent, seconds, since, words} from "./format.js";

const FACTORS = {oee: "OEE", availability: "Availability", performance: "Performance", quality: "Quality"};
const OTHER_TIME_SECONDS = 60;
const ACCOUNTS = [
  ["Acknowledged", "state-producing", (ledger) => ledger.messages_sent],
  ["In flight", "state-flying", (ledger) => ledger.in_flight],
  ["Queued", "state-waiting", (ledger) => ledger.queue_depth],
  ["Refused", "state-planned", (ledger) => total(ledger.refused)],
  ["Dropped", "state-faulted", (ledger) => total(ledger.dropped)],
];

/** OEE with its three factors: the ground truth, and beside it what a dashboard makes of the messages. */
export function oee() {
  const head = ["Factor", "", "Truth", "Messages"].map((text) => el(text ? "th" : "td", {scope: text ? "col" : null, class: "number"}, text));
  const [body, note] = [el("tbody"), el("p", {class: "muted small"})];
  const rows = keyed(body, factor, ([name]) => name);
  return {
    node: card("OEE", el("table", {class: "data factors"}, el("thead", {}, el("tr", {}, head)), body), note),
    keys: ["oee"],
    update({oee: {truth: whole, truth_meanwhile, reported: read}, process, at}) {
      const reported = Number.isFinite(read?.oee) ? read : null;
      const truth = reported ? truth_meanwhile : whole; // of the same time, or the two could not be compared
      head[3].hidden = !reported;
      rows(Object.keys(FACTORS).map((name) => [name, truth?.[name], reported && percent(reported[name])]));
      const texts = [
        truth?.since && `Since ${begin(truth.since, at, process.time_zone)}, plant time.`,
        !Number.isFinite(truth?.oee) && "Unknown until machines have finished something.",
        reported && "Messages: what a dashboard computes from what was delivered in that time.",
      ];
      write(note, texts.filter(Boolean).join(" "));
    },
  };
}

/** Return when something began: the time, and the day where that may be another one. */
function begin(iso, at, zone) {
  return day(iso, zone) === day(at, zone) ? clock(iso, zone) : `${day(iso, zone)}, ${clock(iso, zone)}`;
}

function factor([name]) {
  const share = bar(0, "");
  const [picture, truth, reported] = els("td", "wide", "number", "number");
  picture.append(share);
  return {
    node: el("tr", {class: name}, el("th", {scope: "row"}, FACTORS[name]), picture, truth, reported),
    update([, value, messages]) {
      write(truth, percent(value));
      write(reported, messages);
      reported.hidden = !messages;
      share.update(value, `${FACTORS[name]} ${percent(value)}`);
    },
  };
}

/** Faults and alarms that are active now, each with its machine. */
export function troubles() {
  const list = el("ul", {class: "rows"});
  const box = el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Active faults"}, list);
  const [ringing, note] = els("p", "bad", "muted small");
  const rows = keyed(list, fault, (each) => `${each.machine_id} ${each.fault} ${each.since}`);
  return {
    node: card("Faults and alarms", ringing, box, note),
    keys: ["faults", "alarms", "at"],
    update({faults: {active, list: newest}, alarms: {active: now, declared, raised, cleared}, at}) {
      const texts = Object.entries(now).filter(([, n]) => n > 0).map(([severity, n]) => `▲ ${count(n, "alarm")}, ${words(severity)}`);
      write(ringing, texts.join("  "));
      rows(newest.map((each) => ({...each, at})));
      box.hidden = newest.length === 0;
      const notes = [
        texts.length + newest.length === 0 && (active === null ? "This plant declares no faults." : "Nothing is wrong."),
        active > newest.length && `The newest ${newest.length} of ${number(active)} faults.`,
        declared && `Alarms so far: ${number(raised)} raised, ${number(cleared)} cleared.`,
      ];
      write(note, notes.filter(Boolean).join(" "));
    },
  };
}

function fault({machine_id: id, fault: name}) {
  const [what, level, age] = els("span", "grow", "muted small", "muted");
  what.append(machine(id), ` ${words(name)} `, level);
  return {
    node: el("li", {}, what, age),
    update(found) {
      write(age, since(found.since, found.at));
      write(level, Number.isFinite(found.severity) ? `severity ${number(found.severity)}` : found.severity);
    },
  };
}

/** The ledger: each message is counted once, so the parts are the whole. */
export function delivery() {
  const strip = segments("tall", "img");
  const list = el("tbody");
  const rows = keyed(list, account, ([name]) => name);
  const [reasons, note] = els("p", "small bad", "muted small");
  return {
    node: card("Delivery", strip.node, el("table", {class: "ledger"}, list), reasons, note),
    keys: ["ledger", "queue"],
    update({ledger, queue}) {
      const all = ledger.messages_generated;
      const parts = ACCOUNTS.map(([name, role, read]) => [name, role, read(ledger) / (all || 1), number(read(ledger))]);
      strip.update(parts.filter(([, , share]) => share > 0));
      set(strip.node, "aria-label", parts.map(([name, , , n]) => `${name} ${n}`).join(", "));
      rows(parts);
      write(note, `${number(all)} generated, each of them counted above. Queue policy: ${queue.policy}.`);
      const why = Object.entries({...ledger.refused, ...ledger.dropped}).filter(([, n]) => n > 0);
      write(reasons, why.map(([reason, n]) => `${words(reason)}: ${number(n)}`).join(", "));
    },
  };
}

function account([name, role]) {
  const [n, part] = els("td", "number", "number muted");
  return {
    node: el("tr", {}, el("th", {scope: "row"}, el("span", {class: `dot ${role}`, "aria-hidden": "true"}), " ", name), n, " ", part),
    update([, , share, found]) {
      write(n, found);
      write(part, share ? percent(share) : "");
    },
  };
}

/** The connection to the broker, and the token by which it is made. */
export function broker() {
  const state = el("p");
  const list = facts();
  return {
    node: card("Broker", state, list.node),
    keys: ["broker", "wall"],
    update({broker: found, wall, process, machines}) {
      list.node.hidden = process.dry_run;
      if (process.dry_run) {
        set(state, "class", "muted");
        return write(state, "A dry run: messages go to standard output.");
      }
      const {devices, commands, last_ack_age_seconds: age} = found;
      const wrong = found.connected ? found.blocked : `Not connected: ${found.last_reason}`;
      set(state, "class", wrong ? "bad" : "good");
      write(state, wrong ? `▲ ${wrong}` : "● Connected");
      list.update({
        Address: `${found.host}:${found.port}`,
        Protocol: `MQTT ${found.version}, ${found.tls ? "TLS" : "without TLS"}`,
        Login: found.auth === "NONE" ? "none" : found.auth,
        Token: token(found, wall),
        Connections: devices ? `${number(devices.up)} of ${number(devices.wanted)}, one a machine${devices.wanted > machines ? ", one of the plant" : ""}` : found.clients === 1 ? "one for all machines" : `${number(found.clients)} for all machines`,
        Reconnects: number(Math.max(0, found.connects - found.clients)),
        "Last acknowledgement": Number.isFinite(age) ? (age < 1.5 ? "in the last second" : `${seconds(Math.round(age))} ago`) : "none yet",
        Commands: commands && (commands.subscribed ? `subscribed to ${commands.topics}` : (commands.why_not ?? "not subscribed")),
      });
    },
  };
}

function token({token_expiry: expiry, token_renewals: renewals}, wall) {
  if (!Number.isFinite(expiry)) return null;
  const left = Math.round(expiry - Date.parse(wall) / 1000);
  return (left > 0 ? `expires in ${seconds(left)}` : `expired ${seconds(-left)} ago`) + (renewals ? `, renewed ${count(renewals, "time")}` : "");
}

/** The last commands and configurations: who wanted what, and what came of it. */
export function journal() {
  const list = el("ol", {class: "rows"});
  const none = el("p", {class: "muted"}, "No command has been given yet. ", el("a", {href: "#/control"}, "The command centre"), " gives them.");
  const rows = keyed(list, command, ([entry]) => `${entry.number} ${entry.time}`); // each run counts from one
  return {
    node: card("Last commands", list, none),
    keys: ["journal"],
    update({journal: entries, process}) {
      rows(entries.map((entry) => [entry, process.time_zone]));
      none.hidden = entries.length > 0;
    },
  };
}

function command([{command: given, error, by, at, time}, zone]) {
  const {command: name, machine_id: id, ...others} = given ?? {};
  const more = Object.entries(others).map(([key, value]) => ` ${words(key)} ${words(String(value))}`).join();
  const [what, when, result] = els("span", "grow", "muted", "small result muted");
  what.append(el("strong", {}, words(name)), " ", ...(id ? [machine(id)] : []), more);
  write(when, clock(at ?? time, zone));
  result.append(el("span", {class: error ? "bad" : "good"}, error ? `refused: ${error}` : "done"), `, by ${by}`);
  return {node: el("li", {}, what, when, result), update() {}};
}

/** The run: what would make it again. */
export function run() {
  const list = facts();
  return {
    node: card("Run", list.node),
    keys: ["process", "clock"],
    update({process, at, wall, clock: {ahead_seconds: ahead = 0}}) {
      list.update({
        Version: process.version,
        Plant: process.plant_file ?? "the default plant",
        Seed: process.seed,
        "Running for": seconds(Math.round(process.uptime_seconds)),
        "Plant clock": pace(process.speed, ahead, (Date.parse(at) - Date.parse(wall)) / 1000),
        Shard: process.shard,
        Workers: process.workers > 1 && number(process.workers),
        Changes: process.changes === "token" ? "with a token" : "from this machine",
      });
    },
  };
}

/** Return how fast the plant's clock goes, and where it is. ahead: of the clock that it follows.  apart: of the clock now. */
function pace(speed, ahead, apart) {
  if (speed !== 1) return speed === null ? "as fast as it can" : `${number(speed)} times as fast`;
  const by = Math.abs(apart) > OTHER_TIME_SECONDS ? apart : ahead; // a time of its own, by --start, follows no clock
  return Math.abs(by) < 0.5 ? "with the wall clock" : `${seconds(Math.abs(by))} ${by > 0 ? "ahead" : "behind"}`;
}

function card(title, ...children) {
  return el("section", {class: "card"}, el("h2", {}, title), children);
}

function machine(id) {
  return el("a", {href: `#/machines/${encodeURIComponent(id)}`}, id);
}

/** A list of names and values; what has no value is not shown. */
function facts() {
  const node = el("dl", {class: "facts"});
  const make = ([name]) => {
    const value = el("dd");
    return {node: el("div", {}, el("dt", {}, name), value), update: ([, text]) => write(value, text)};
  };
  const rows = keyed(node, make, ([name]) => name);
  return {node, update: (values) => rows(Object.entries(values).filter(([, text]) => text))};
}

function total(counts) {
  return Object.values(counts ?? {}).reduce((sum, n) => sum + n, 0);
}
