/** The cards of the overview beside the machines. Each changes the texts it has, and builds nothing anew. */

import {bar} from "./charts.js";
import {el, keyed, set, write} from "./dom.js";
import {NONE, clock, count, milliseconds, number, percent, seconds, since, words} from "./format.js";

const FACTORS = {oee: "OEE", availability: "Availability", performance: "Performance", quality: "Quality"};
const ACCOUNTS = [
  ["acknowledged", "Acknowledged", (ledger) => ledger.messages_sent],
  ["flying", "In flight", (ledger) => ledger.in_flight],
  ["queued", "Queued", (ledger) => ledger.queue_depth],
  ["refused", "Refused", (ledger) => total(ledger.refused)],
  ["dropped", "Dropped", (ledger) => total(ledger.dropped)],
];

/** OEE with its three factors: the ground truth, and beside it what a dashboard makes of the messages. */
export function oee() {
  const truth = el("th", {scope: "col", class: "number"}, "Truth");
  const reported = el("th", {scope: "col", class: "number"}, "Messages");
  const rows = Object.entries(FACTORS).map(([name, label]) => factor(name, label));
  const note = el("p", {class: "muted small"});
  const head = el("tr", {}, el("th", {scope: "col"}, "Factor"), el("th", {scope: "col"}, el("span", {class: "visually-hidden"}, "As a bar")), truth, reported);
  const node = card("OEE", el("table", {class: "data factors"}, el("thead", {}, head), el("tbody", {}, rows.map((row) => row.node))), note);
  return {
    node,
    keys: ["oee", "process"],
    update({oee: found, process}) {
      reported.hidden = !found.reported;
      rows.forEach((row) => row.update(found));
      const from = found.truth?.since ? `Since ${clock(found.truth.since, process.time_zone)}, plant time. ` : "";
      write(note, from + (found.reported ? "Messages: what a dashboard computes from what was published." : ""));
    },
  };
}

function factor(name, label) {
  const share = bar(0, "");
  const [truth, reported] = [el("td", {class: "number"}), el("td", {class: "number"})];
  const node = el("tr", {class: `factor-${name}`}, el("th", {scope: "row"}, label), el("td", {class: "wide"}, share), truth, reported);
  return {
    node,
    update(found) {
      const text = percent(found.truth?.[name]);
      write(truth, text);
      write(reported, percent(found.reported?.[name]));
      reported.hidden = !found.reported;
      share.update(found.truth?.[name], `${label} ${text}`);
    },
  };
}

/** Faults and alarms that are active now, each with its machine. */
export function troubles() {
  const chips = el("ul", {class: "row plain"});
  const list = el("ul", {class: "rows scroll"});
  const none = el("p", {class: "empty"}, "Nothing is wrong.");
  const more = el("p", {class: "muted small"});
  const alarms = keyed(chips, severity, ([name]) => name);
  const faults = keyed(list, fault, (each) => `${each.machine_id} ${each.fault} ${each.since}`);
  return {
    node: card("Faults and alarms", chips, list, none, more),
    keys: ["faults", "alarms", "at"],
    update(overview) {
      const {active, list: newest} = overview.faults;
      const found = Object.entries(overview.alarms.active).filter(([, n]) => n > 0);
      alarms(found);
      faults(newest.map((each) => ({...each, at: overview.at})));
      chips.hidden = found.length === 0;
      list.hidden = newest.length === 0;
      none.hidden = found.length > 0 || newest.length > 0;
      write(none, active === null ? "The machines of this plant have no faults." : "Nothing is wrong.");
      const {declared, raised, cleared} = overview.alarms;
      const others = active > newest.length ? `The newest ${newest.length} of ${number(active)} faults. ` : "";
      write(more, others + (declared ? `Alarms so far: ${number(raised)} raised, ${number(cleared)} cleared.` : ""));
    },
  };
}

function severity() {
  const text = el("span");
  return {
    node: el("li", {class: "chip bad"}, el("span", {class: "mark", "aria-hidden": "true"}, "▲"), text),
    update: ([name, n]) => write(text, `${count(n, "alarm")}, ${words(name)}`),
  };
}

function fault({machine_id: id, fault: name}) {
  const [age, level] = [el("span", {class: "muted number"}), el("span", {class: "muted small"})];
  const what = el("span", {class: "grow"}, machine(id), el("span", {}, " ", words(name)), " ", level);
  return {
    node: el("li", {}, what, age),
    update(found) {
      write(age, since(found.since, found.at));
      write(level, typeof found.severity === "number" ? `severity ${number(found.severity)}` : found.severity);
    },
  };
}

/** The ledger: each message is counted once, so the parts are the whole. */
export function delivery() {
  const strip = el("div", {class: "segments tall", role: "img"});
  const parts = ACCOUNTS.map(([name, label, read]) => account(name, label, read));
  strip.append(...parts.map((part) => part.segment));
  const sum = el("p", {class: "muted small"});
  const reasons = el("p", {class: "small bad"});
  return {
    node: card("Delivery", strip, el("dl", {class: "facts ledger"}, parts.flatMap((part) => part.terms)), reasons, sum),
    keys: ["ledger", "queue"],
    update({ledger, queue}) {
      const all = ledger.messages_generated;
      parts.forEach((part) => part.update(ledger, all));
      set(strip, "aria-label", parts.map((part) => part.text(ledger)).join(", "));
      write(sum, `${number(all)} generated, each of them counted above. Queue policy: ${queue.policy}.`);
      const why = Object.entries({...ledger.refused, ...ledger.dropped}).filter(([, n]) => n > 0);
      write(reasons, why.map(([reason, n]) => `${words(reason)} ${number(n)}`).join(", "));
    },
  };
}

function account(name, label, read) {
  const segment = el("span", {class: `segment ${name}`});
  const value = el("dd");
  const dot = el("span", {class: `dot segment ${name}`, "aria-hidden": "true"});
  return {
    segment,
    terms: [el("dt", {}, dot, label), value],
    text: (ledger) => `${label} ${number(read(ledger))}`,
    update(ledger, all) {
      const n = read(ledger);
      segment.style.flexGrow = all ? n / all : 0;
      segment.hidden = !n;
      write(value, all ? `${number(n)}  ${percent(n / all)}` : number(n));
    },
  };
}

/** The connection to the broker, and the token by which it is made. */
export function broker() {
  const state = el("p", {class: "good"});
  const list = facts("Address", "Protocol", "Authentication", "Token", "Connections", "Reconnects", "Last acknowledgement", "Commands");
  return {
    node: card("Broker", state, list.node),
    keys: ["broker", "wall"],
    update({broker: found, wall}) {
      const {devices, commands} = found;
      const isUp = found.connected && !found.blocked;
      set(state, "class", isUp ? "good" : "bad");
      write(state, found.connected ? (found.blocked ?? "Connected") : `Not connected: ${found.last_reason}`);
      list.update({
        Address: `${found.host}:${found.port}`,
        Protocol: `MQTT ${found.version}, ${found.tls ? "TLS" : "without TLS"}`,
        Authentication: found.auth,
        Token: token(found, wall),
        Connections: devices ? `${number(devices.up)} of ${number(devices.wanted)}, one for each machine` : found.clients === 1 ? "one for all machines" : `${number(found.clients)} for all machines`,
        Reconnects: number(Math.max(0, found.connects - found.clients)),
        "Last acknowledgement": found.last_ack_age_seconds === null ? "none yet" : `${seconds(Math.round(found.last_ack_age_seconds))} ago`,
        Commands: commands ? (commands.subscribed ? `subscribed to ${commands.topics}` : (commands.why_not ?? "not subscribed")) : null,
      });
    },
  };
}

function token({token_expiry: expiry, token_renewals: renewals}, wall) {
  if (expiry === null || expiry === undefined) return null;
  const left = expiry - Date.parse(wall) / 1000;
  const renewed = renewals ? `, renewed ${renewals === 1 ? "once" : `${number(renewals)} times`}` : "";
  return left > 0 ? `expires in ${seconds(Math.round(left))}${renewed}` : `expired ${seconds(Math.round(-left))} ago${renewed}`;
}

/** The last commands and configurations: who wanted what, and what came of it. */
export function journal() {
  const list = el("ol", {class: "rows"});
  const none = el("p", {class: "empty"}, "No command has been given yet. ", el("a", {href: "#/control"}, "The command centre"), " gives them.");
  const rows = keyed(list, command, ([each]) => each.number);
  return {
    node: card("Last commands", list, none),
    keys: ["journal", "process"],
    update({journal: entries, process}) {
      rows(entries.map((each) => [each, process.time_zone]));
      none.hidden = entries.length > 0;
    },
  };
}

function command([entry, zone]) {
  const {command: name, machine_id: id, ...others} = entry.command ?? {};
  const more = Object.entries(others).map(([key, value]) => `${words(key)} ${value}`).join(", ");
  const what = el("span", {class: "grow"}, el("strong", {}, words(name ?? "")), " ", id ? machine(id) : null, more && ` ${more}`);
  const result = entry.error ? el("span", {class: "bad"}, `refused: ${entry.error}`) : el("span", {class: "good"}, "done");
  return {
    node: el("li", {}, what, el("span", {class: "muted number"}, clock(entry.at ?? entry.time, zone)), el("span", {class: "small result"}, result, el("span", {class: "muted"}, `, by ${entry.by}`))),
    update() {},
  };
}

/** The run: what would make it again. */
export function run() {
  const list = facts("Version", "Plant", "Seed", "Running for", "Plant clock", "Part", "Changes");
  return {
    node: card("Run", list.node),
    keys: ["process", "clock"],
    update({process, clock: found}) {
      const ahead = found?.ahead_seconds ?? 0;
      const parts = [process.shard && `shard ${process.shard}`, process.workers > 1 && `${process.workers} workers`];
      list.update({
        Version: process.version,
        Plant: process.plant_file ?? "of the program",
        Seed: process.seed,
        "Running for": seconds(Math.round(process.uptime_seconds)),
        "Plant clock": Math.abs(ahead) < 0.5 ? "with the wall clock" : `${seconds(Math.abs(ahead))} ${ahead > 0 ? "ahead" : "behind"}`,
        Part: parts.filter(Boolean).join(", ") || null,
        Changes: process.changes === "token" ? "with a token" : "from this machine",
      });
    },
  };
}

function card(title, ...children) {
  return el("section", {class: "card"}, el("h2", {}, title), children);
}

function machine(id) {
  return el("a", {href: `#/machines/${encodeURIComponent(id)}`}, id);
}

/** A list of names and values; a value that is null is not shown. */
function facts(...names) {
  const rows = new Map(names.map((name) => [name, [el("dt", {}, name), el("dd")]]));
  return {
    node: el("dl", {class: "facts"}, ...rows.values()),
    update(values) {
      for (const [name, [term, value]] of rows) {
        const text = values[name] ?? null;
        term.hidden = value.hidden = text === null;
        write(value, text ?? NONE);
      }
    },
  };
}

function total(counts) {
  return Object.values(counts ?? {}).reduce((sum, n) => sum + n, 0);
}
