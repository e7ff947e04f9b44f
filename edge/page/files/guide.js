/** The guide: ten exercises at the sandbox's broker, each ticked when its facts have happened on the wire. */

import {bar} from "./charts.js";
import {el, show} from "./dom.js";
import {clock, count} from "./format.js";
import {CONCEPTS, DEVICES, EXERCISES, START, TERMS} from "./guide_exercises.js";

const PORT = /\b1883\b/g;
const MARKS = {done: ["✓", "Done: "], open: ["○", "Not yet: "], hidden: ["–", "Not visible here: "]};

export const view = {
  path: "guide",
  title: "Guide",
  mount(root, context, argument) {
    const {live, api} = context;
    const parts = {progress: el("div"), notices: el("div", {class: "stack"}), start: el("div", {class: "stack"})};
    const exercises = EXERCISES.map((each) => exercise(each, context));
    const concepts = CONCEPTS.map(concept);
    let wire = live.wire;
    let done = null;

    const draw = () => {
      if (wire === null) return;
      const facts = {all: wire.facts, zone: live.overview?.process?.time_zone};
      const now = new Set(exercises.filter((each) => each.update(facts)).map((each) => each.number));
      for (const each of concepts) each.update(facts);
      if (done === null || now.size !== done.size) show(parts.progress, wire.visible && progress(now.size));
      if (done === null) (exercises.find((each) => String(each.number) === argument) ?? exercises.find((each) => !now.has(each.number)))?.open();
      else for (const number of now) if (!done.has(number)) context.announce(`Exercise ${number} is done: ${now.size} of 10`);
      done = now;
    };
    const frame = () => {
      const key = JSON.stringify([wire?.visible, wire?.addresses, isSandbox(live.overview)]);
      if (wire === null || live.overview === null || key === frame.key) return;
      frame.key = key;
      show(parts.notices, notices(wire, isSandbox(live.overview)));
      const port = wire.addresses?.mqtt?.split(":").at(-1);
      show(parts.start, wire.visible && begin(wire, port, context));
      for (const each of exercises) each.fill(port ?? "1883");
    };
    const listeners = {
      wire: () => { wire = live.wire; frame(); draw(); },
      overview: ({detail}) => detail.has("process") && (frame(), draw()),
    };
    for (const [event, listener] of Object.entries(listeners)) live.addEventListener(event, listener);
    show(root, page(parts, exercises, concepts));
    frame();
    draw();
    if (wire === null) first(api, parts.progress, (found) => { wire ??= found; frame(); draw(); });
    return () => {
      for (const [event, listener] of Object.entries(listeners)) live.removeEventListener(event, listener);
    };
  },
};

function page(parts, exercises, concepts) {
  return [
    el("h1", {}, "Guide"),
    el("div", {class: "stack"},
      el("p", {class: "muted"}, "Ten exercises to learn MQTT with, at a shell in the folder of edgemqttsim. Each is ticked when it has really happened at the broker."),
      parts.progress,
      parts.notices,
      el("div", {class: "guide"},
        el("div", {class: "stack"}, parts.start, exercises.map((each) => each.node)),
        el("div", {class: "stack"},
          el("section", {class: "card"}, el("h2", {}, "Concepts"), el("ul", {class: "ticks"}, concepts.map((each) => each.node))),
          el("section", {class: "card"}, el("h2", {}, "Terms"),
            el("dl", {class: "terms"}, TERMS.map(([term, meaning]) => [el("dt", {}, term), el("dd", {class: "muted"}, meaning)]))))),
    ),
  ];
}

/** Ask once where the stream has not said it yet. */
async function first(api, place, take) {
  show(place, el("p", {class: "muted"}, "Asking what has happened on the wire."));
  try {
    take(await api.get("/api/v1/wire"));
  } catch (error) {
    show(place, el("p", {class: "notice bad"}, `What has happened on the wire cannot be shown: ${error.message}`));
  }
}

function isSandbox(overview) {
  const ids = new Set((overview?.tiles ?? []).map(([id]) => id));
  return DEVICES.every((id) => ids.has(id));
}

function notices(wire, sandbox) {
  const run = el("code", {}, "make sandbox");
  if (!wire.visible) {
    return el("div", {class: "notice warn"},
      el("p", {}, `What other clients do cannot be seen: ${wire.why_not}.`),
      el("p", {}, "To do the exercises, start the sandbox, ", run, ". What this simulator's own connection has done is shown."));
  }
  return sandbox ? null : el("div", {class: "notice"},
    el("p", {}, "The exercises name the devices of the sandbox, and this is another plant. To do them as they are, start ", run, "."),
    el("p", {}, "Here, try the same with its own topics, which ", el("a", {href: "#/traffic"}, "Traffic"), " shows. What happens is ticked all the same."));
}

function progress(done) {
  const text = `${done} of ${EXERCISES.length}`;
  return el("div", {class: "guide-progress"}, el("p", {}, el("strong", {}, text), " exercises done since the broker began"), bar(done / EXERCISES.length, `${text} exercises done`));
}

function begin(wire, port, context) {
  const {mqtt, websocket} = wire.addresses;
  return el("section", {class: "card"},
    el("h2", {}, "Begin every terminal so"),
    commands(START, port, context),
    el("p", {class: "muted"}, "MQTT at ", el("code", {}, mqtt), websocket && [", for pages at ", el("code", {}, websocket)], ". Any client will do: mosquitto_sub, MQTTX, MQTT.js."));
}

function exercise({number, title, facts, steps, observe, why}, context) {
  const ticks = Object.entries(facts).map(([fact, text]) => tick([fact], rich(text)));
  const chip = el("span", {class: "chip"});
  const body = el("div", {class: "stack"});
  const node = el("details", {class: "card exercise", id: `exercise-${number}`},
    el("summary", {}, el("h2", {}, `${number} ${title}`), chip),
    el("ul", {class: "ticks"}, ticks.map((each) => each.node)),
    body,
    el("p", {}, el("strong", {}, "Observe: "), rich(observe)),
    el("p", {}, el("strong", {}, "Why: "), rich(why)));
  return {
    node,
    number,
    open: () => { node.open = true; },
    fill: (port) => show(body, steps.map((each) => (each.run ? commands(each.run, port, context) : el("p", {}, rich(each))))),
    update(found) {
      const states = ticks.map((each) => each.update(found));
      const done = states.filter((each) => each === "done").length;
      const all = done === states.length;
      chip.className = all ? "chip good" : "chip muted";
      show(chip, all ? "✓ Done" : states.includes("hidden") ? "Not visible here" : done ? `${done} of ${states.length}` : "Not yet");
      return all;
    },
  };
}

function concept([name, meaning, ...facts]) {
  return tick(facts, [el("span", {class: "badge"}, name), " ", rich(meaning)]);
}

/** One line with a mark: whether any of some facts has happened, how often, when last and with whom. */
function tick(facts, text) {
  const [mark, word, when] = [el("span", {class: "mark", "aria-hidden": "true"}), el("span", {class: "visually-hidden"}), el("span", {class: "muted small"})];
  const node = el("li", {}, mark, el("div", {}, word, text, " ", when));
  let before = "";
  return {
    node,
    update({all, zone}) {
      const found = facts.map((name) => all[name]).filter(Boolean);
      const last = found.filter((each) => each.count).sort((a, b) => (a.last < b.last ? 1 : -1))[0];
      const state = last ? "done" : found.length ? "open" : "hidden";
      const key = JSON.stringify([state, last, zone]);
      if (key === before) return state;
      before = key;
      node.className = state === "done" ? "done" : "";
      show(mark, MARKS[state][0]);
      show(word, MARKS[state][1]);
      show(when, last && [last.last && `${clock(last.last, zone)} `, last.by && [`by ${last.by}, `], count(last.count, "time")]);
      return state;
    },
  };
}

function commands(text, port, {announce}) {
  const written = text.trimEnd().replace(PORT, port ?? "1883");
  const code = el("pre", {tabindex: "0", role: "group", "aria-label": "Commands"}, written);
  const button = el("button", {type: "button", class: "quiet", on: {click: copy}}, "Copy");
  async function copy() {
    try {
      await navigator.clipboard.writeText(`${written}\n`);
      show(button, "Copied");
      announce("Commands copied");
      setTimeout(() => show(button, "Copy"), 2000);
    } catch {
      getSelection().selectAllChildren(code); // a page that is not of this machine has no clipboard without TLS
      announce("Commands selected: copy them with the keyboard");
    }
  }
  return el("div", {class: "run"}, code, button);
}

/** Text in which backticks mark what is typed. */
function rich(text) {
  return text.split("`").map((part, place) => (place % 2 ? el("code", {}, part) : part));
}
