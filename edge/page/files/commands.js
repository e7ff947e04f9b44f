// What can be done to a machine or to the plant: the fields of each command, and why it is not possible now.
// `now` is what is known (follow.js).
import {number, words} from "./format.js";
import {unitOf} from "./parts.js";

const choice = (name, label, options, isOptional = false) => ({name, label, options, isOptional});
const quantity = (name, label, hint, isOptional = false) => ({name, label, hint, isOptional, isNumber: true});
const seconds = (hint) => quantity("seconds", "For (s)", () => hint, true);
const list = (names) => names.map((name) => [name]);
const names = (entries) => entries.map(({name}) => name);
const has = (type, name) => names(type.commands).includes(name);
const active = ({machine, type}) => machine.faults.map(({fault}) => fault).filter((each) => names(type.faults).includes(each));
const later = ({machine}) => (machine.state === "stopped" ? "It begins when the machine is started." : null);
const points = ({type}) => Object.keys(type.set_points);

const START = {
  command: "start",
  title: "Start",
  why: ({machine: {state}, type}) => (state === "stopped" || has(type, "start") ? null : `Its state is ${words(state)}, not stopped.`),
};
const STOP = {
  command: "stop",
  title: "Stop",
  why: ({machine: {state}, type}) => (state !== "stopped" || has(type, "stop") ? null : "It is stopped already."),
};
const SET_STATE = {
  command: "set_state",
  title: "Set state",
  why: ({type}) => (type.states.length ? null : "This type has no states."),
  hint: later,
  fields: [choice("state", "State", ({type}) => list(names(type.states))), seconds("empty: as long as usual")],
};
const SET_POINT = {
  command: "set_point",
  title: "Set point",
  why: (now) => (points(now).length ? null : "This type has no set points."),
  fields: [
    choice("signal", "Signal", (now) => list(points(now))),
    quantity("value", "Value", ({machine}, {signal}) => {
      if (signal === "") return "";
      const {set_point: point, unit, limits} = machine.signals[signal] ?? {};
      return `now ${number(point)}${limits ? `, ${number(limits[0])} to ${number(limits[1])}` : ""} ${unitOf(unit)}`;
    }),
  ],
};
const INJECT = {
  command: "inject",
  title: "Inject a fault",
  why: (now) => {
    if (!now.type.faults.length) return "This type has no faults.";
    return active(now).length < now.type.faults.length ? null : "All of its faults are active.";
  },
  hint: later,
  fields: [
    choice("fault", "Fault", (now) => names(now.type.faults).map((each) => (active(now).includes(each) ? [each, `${each} (active)`, true] : [each]))),
    quantity("severity", "Severity", () => "0.01 to 5, empty: by chance", true),
    seconds("empty: as declared"),
  ],
};
const CLEAR = {
  command: "clear",
  title: "Clear faults",
  why: (now) => (active(now).length ? null : "No fault is active."),
  fields: [choice("fault", "Fault", (now) => [["", "all of the machine"], ...list(active(now))], true)],
};
const connection = (command, title, ...fields) => ({
  command,
  title,
  why: ({overview}) => (overview.broker.connections === "per_machine" ? null : "The machines share one connection (MQTT_CONNECTIONS=shared)."),
  fields,
});

export const MACHINE_GROUPS = {
  "State and set points": [SET_STATE, SET_POINT],
  Faults: [INJECT, CLEAR],
  Connection: [
    connection("crash", "Crash", seconds("empty: it reconnects at once")),
    connection("disconnect", "Disconnect", seconds("empty: until reconnect")),
    connection("reconnect", "Reconnect"),
  ],
};

const switched = ({types, events}, isOn) => {
  const all = [...types.map((each) => [each.machine_type, each.enabled]), ...events.map((each) => [each.message_type, each.enabled])];
  return all.filter(([, enabled]) => enabled === isOn).map(([name]) => [name]);
};
const toSwitch = (command, title, isOn) => ({
  command,
  title,
  why: (now) => (switched(now, isOn).length ? null : `Everything is switched ${isOn ? "off" : "on"}.`),
  fields: [choice("message_type", "Messages of", (now) => switched(now, isOn))],
});
const countOf = ({types}, {message_type: kind}) => `now ${number(types.find((each) => each.machine_type === kind)?.count)}`;

/** Return the rate that is set as the command has it: in plant time, and of the whole plant. */
function rateNow({rate: {asked}, process: {speed, shard}}) {
  const perSecond = asked === null ? null : (asked / speed) * Number(shard?.split("/")[1] ?? 1);
  return `now ${number(perSecond, 2)}${speed === 1 ? "" : " a second of plant time"}`;
}

export const PLANT_ACTIONS = [
  {
    command: "rate",
    title: "Set rate",
    fields: [quantity("messages_per_second", "Messages per second", ({overview}) => `${rateNow(overview)}, empty: as declared`, true)],
  },
  {
    command: "scale",
    title: "Scale",
    why: ({types}) => (types.length ? null : "The plant has no machine types."),
    fields: [choice("message_type", "Type", ({types}) => list(types.map((each) => each.machine_type))), quantity("count", "Machines", countOf)],
  },
  toSwitch("enable", "Switch on", false),
  toSwitch("disable", "Switch off", true),
];

/** Return the commands of a machine that need no fields, with those of its type's own. */
export function quickOf(type) {
  const own = (type?.commands ?? []).filter(({name}) => name !== "start" && name !== "stop");
  const hint = ({state, latched}) => `Sets ${words(state)}${latched ? " until the next command" : ""}.`;
  return [START, STOP, ...own.map((each) => ({command: each.name, title: words(each.name), hint: () => hint(each)})), {...CLEAR, fields: []}];
}

/** Return why nobody may change anything from this page; null where one may. */
export function whyNotPermitted({overview}, api) {
  if (overview === null) return "Waiting for the simulator.";
  if (overview.process.changes === "token") return api.hasToken() ? null : "Commands need the token: enter it at the top of the page.";
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);
  return isLocal ? null : "Commands are taken from the simulator's own machine, at localhost; HTTP_TOKEN_FILE permits others.";
}

/** Return an answer or a command in words, `faults jam of severity 2`, without some of its keys. */
export function inWords(content, ...without) {
  const text = (value) => {
    if (value === null) return "as declared";
    if (typeof value === "number") return number(value);
    return typeof value === "object" ? Object.entries(value).map(([name, own]) => `${name} ${text(own)}`).join(", ") || "none" : String(value);
  };
  const faults = (found) => Object.entries(found).map(([name, severity]) => `${name} of severity ${text(severity)}`).join(", ") || "none";
  const entries = Object.entries(content ?? {}).filter(([name]) => !without.includes(name));
  return entries.map(([name, value]) => `${words(name)} ${name === "faults" && value ? faults(value) : text(value)}`).join(" · ");
}
