// What can be done to a machine or to the plant: the fields of each command, and why it is not possible now.
// `now` is what is known: {machine, type, types, events, overview}, each null before it has come.
import {number, words} from "./format.js";

const seconds = (hint) => ({name: "seconds", label: "For (s)", number: true, optional: true, hint: () => hint});
const owns = (type, name) => type.commands.some((each) => each.name === name);
const active = ({machine, type}) => {
  const own = new Set(type.faults.map(({name}) => name));
  return machine.faults.map(({fault}) => fault).filter((name) => own.has(name));
};
const shared = ({overview}) =>
  overview?.broker?.connections === "per_machine"
    ? null
    : "All machines share one connection. MQTT_CONNECTIONS=per_machine gives each its own.";
const stopped = ({machine}) => (machine.state === "stopped" ? "It takes effect when the machine is started." : null);

export const START = {
  command: "start",
  title: "Start",
  why: ({machine, type}) =>
    machine.state === "stopped" || owns(type, "start") ? null : `It is ${machine.state}, not stopped.`,
};
export const STOP = {
  command: "stop",
  title: "Stop",
  why: ({machine, type}) => (machine.state !== "stopped" || owns(type, "stop") ? null : "It is stopped already."),
};
const SET_STATE = {
  command: "set_state",
  title: "Set state",
  why: ({type}) => (type.states.length ? null : "This type has no states."),
  hint: stopped,
  fields: [
    {name: "state", label: "State", options: ({type}) => type.states.map(({name}) => [name])},
    seconds("empty: as long as usual"),
  ],
};
const SET_POINT = {
  command: "set_point",
  title: "Set point",
  button: "Set",
  why: ({type}) => (Object.keys(type.set_points).length ? null : "This type has no set points."),
  fields: [
    {name: "signal", label: "Signal", options: ({type}) => Object.keys(type.set_points).map((name) => [name])},
    {
      name: "value",
      label: "Value",
      number: true,
      hint: ({machine}, {signal}) => {
        const {set_point: point, unit, limits} = machine.signals[signal] ?? {};
        const range = limits ? `, ${number(limits[0])} to ${number(limits[1])}` : "";
        return `now ${number(point)}${range} ${unit ?? ""}`.trim();
      },
    },
  ],
};
export const INJECT = {
  command: "inject",
  title: "Inject a fault",
  button: "Inject",
  why: (now) => {
    if (!now.type.faults.length) return "This type has no faults.";
    return active(now).length < now.type.faults.length ? null : "All of its faults are active.";
  },
  hint: stopped,
  fields: [
    {
      name: "fault",
      label: "Fault",
      options: (now) => {
        const there = active(now);
        return now.type.faults.map(({name}) =>
          there.includes(name) ? [name, `${name} (active)`, true] : [name],
        );
      },
    },
    {name: "severity", label: "Severity", number: true, optional: true, hint: () => "0.01 to 5, empty: drawn"},
    seconds("empty: as declared"),
  ],
};
export const CLEAR = {
  command: "clear",
  title: "Clear faults",
  button: "Clear",
  why: (now) => (active(now).length ? null : "No fault is active."),
  fields: [
    {
      name: "fault",
      label: "Fault",
      optional: true,
      options: (now) => [["", "all of the machine"], ...active(now).map((name) => [name])],
    },
  ],
};
export const CLEAR_ALL = {...CLEAR, fields: [], button: null};
const connection = (command, title, ...fields) => ({command, title, why: shared, fields});

export const MACHINE_GROUPS = [
  ["State and set points", [SET_STATE, SET_POINT]],
  ["Faults", [INJECT, CLEAR]],
  [
    "Connection",
    [
      connection("crash", "Crash", seconds("empty: it reconnects at once")),
      connection("disconnect", "Disconnect", seconds("empty: until reconnect")),
      connection("reconnect", "Reconnect"),
    ],
  ],
];

const kinds = ({types}) => types.map((type) => [type.machine_type]);
const switchable = ({types, events}) => [...types, ...events.map((each) => ({...each, machine_type: each.message_type}))];
const switched = (now, on) => switchable(now).filter((each) => each.enabled === on);
const toSwitch = (command, title, on, none) => ({
  command,
  title,
  why: (now) => (switched(now, !on).length ? null : none),
  fields: [
    {
      name: "message_type",
      label: "Messages of",
      options: (now) => switched(now, !on).map((each) => [each.machine_type]),
    },
  ],
});
export const PLANT_ACTIONS = [
  {
    command: "rate",
    title: "Message rate",
    button: "Set rate",
    fields: [
      {
        name: "messages_per_second",
        label: "Messages per second (msg/s)",
        number: true,
        optional: true,
        hint: ({overview}) => `now ${number(overview?.rate?.asked, 2)} msg/s, empty: the periods as declared`,
      },
    ],
  },
  {
    command: "scale",
    title: "Number of machines",
    button: "Scale",
    why: ({types}) => (types.length ? null : "The plant has no machine types."),
    fields: [
      {name: "message_type", label: "Type", options: kinds},
      {
        name: "count",
        label: "Machines",
        number: true,
        hint: ({types}, {message_type: kind}) =>
          `now ${number(types.find((each) => each.machine_type === kind)?.count)}`,
      },
    ],
  },
  toSwitch("enable", "Switch on", true, "Everything is switched on."),
  toSwitch("disable", "Switch off", false, "Everything is switched off."),
];

/** Return what a type's machines may do beside the commands that all have, as actions without fields. */
export function ownActions(type) {
  const own = (type?.commands ?? []).filter(({name}) => name !== "start" && name !== "stop");
  return own.map(({name, state, latched}) => ({
    command: name,
    title: name,
    hint: () => `Sets ${state}${latched ? ", until the next command" : ""}.`,
  }));
}

/** Return why nobody may change anything from this page; null where one may. */
export function whyNotPermitted(overview, api) {
  if (overview?.process?.changes === "token") {
    return api.hasToken() ? null : "Changes need the token: enter it at the top of the page.";
  }
  const local = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);
  return local ? null : "Changes are taken from the simulator's own machine only, at localhost. HTTP_TOKEN_FILE permits others.";
}

/** Return an answer, or a command without its name, in words: `state stopped`, `faults jam 2`. */
export function inWords(content, ...without) {
  const text = (value) => {
    if (value === null) return "as declared";
    if (typeof value !== "object") return String(value);
    return Object.entries(value).map((pair) => pair.join(" ")).join(", ") || "none";
  };
  const entries = Object.entries(content ?? {}).filter(([name]) => !without.includes(name));
  return entries.map(([name, value]) => `${words(name)} ${text(value)}`).join(" · ");
}

const CONFIGURING = new Set(["scale", "rate", "enable", "disable", "reload"]);

/**
 * Pass on {types, events} as the API has them, again whenever the plant has changed; or an error. Returns a function
 * that ends this.
 */
export function followTypes({api, live}, onKnown, onError) {
  let known = null;
  async function look() {
    if (live.overview === null) return; // it comes in a moment
    const {types, journal} = live.overview;
    const counts = Object.entries(types ?? {}).map(([kind, {machines, enabled}]) => [kind, machines, enabled]);
    const changed = journal?.find(({command}) => CONFIGURING.has(command.command))?.number;
    const now = JSON.stringify([counts, changed]);
    if (now === known) return;
    known = now;
    try {
      const {machine_types: found, events = []} = await api.get("/api/v1/machine-types");
      onKnown({types: found, events});
    } catch (error) {
      known = null;
      onError(error);
    }
  }
  live.addEventListener("overview", look);
  look();
  return () => live.removeEventListener("overview", look);
}
