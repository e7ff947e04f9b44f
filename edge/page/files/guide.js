/** The guide: ten exercises at the sandbox's broker, each ticked when its facts have happened on the wire. */

import {bar} from "./charts.js";
import {el, show} from "./dom.js";
import {clock, count} from "./format.js";
import {CONCEPTS, DEVICES, EXERCISES, START, TERMS} from "./guide_exercises.js";

const LEAD = "Ten exercises to learn MQTT with, at a shell in the folder of edgemqttsim. Each is ticked when it has really happened at the broker.";
const MARKS = {done: ["✓", "Done: "], open: ["○", "Not yet: "], hidden: ["–", "Not visible here: "]};

export const view = {
  path: "guide",
  title: "Guide",
  mount(root, {live, announce}, argument) {
    const exercises = EXERCISES.map((each, place) => exercise(place + 1, each, announce));
    const concepts = CONCEPTS.map(([name, meaning, ...facts]) => tick(facts, [el("span", {class: "badge"}, name), " ", rich(meaning)]));
    const top = el("div", {class: "stack guide-top"}, el("p", {class: "muted"}, "Waiting for what has happened on the wire."));
    const start = el("div");
    let before = null;
    let place = "";

    const draw = () => {
      const {wire, overview} = live;
      if (wire === null || overview === null) return;
      const port = wire.addresses.mqtt?.split(":").at(-1) ?? "1883";
      const facts = [wire.facts, overview.process.time_zone];
      const done = exercises.filter((each) => each.update(facts));
      for (const each of concepts) each.update(facts);
      const here = JSON.stringify([wire.visible, wire.addresses, isSandbox(overview), done.length]);
      if (here !== place) show(top, wire.visible && progress(done.length), notice(wire, overview));
      place = here;
      if (before === null) {
        show(start, wire.visible && begin(wire.addresses, port, announce));
        for (const each of exercises) each.fill(port);
        (exercises[argument - 1] ?? exercises.find((each) => !done.includes(each)))?.open();
      }
      for (const each of before === null ? [] : done.filter((one) => !before.includes(one))) {
        announce(`Exercise ${each.number} is done: ${done.length} of ${EXERCISES.length}`);
      }
      before = done;
    };
    const onOverview = ({detail}) => detail.has("process") && draw();
    live.addEventListener("wire", draw);
    live.addEventListener("overview", onOverview);
    show(root, page(top, start, exercises, concepts));
    draw();
    return () => {
      live.removeEventListener("wire", draw);
      live.removeEventListener("overview", onOverview);
    };
  },
};

function page(top, start, exercises, concepts) {
  const terms = TERMS.map(([term, meaning]) => [el("dt", {}, term), el("dd", {class: "muted"}, meaning)]);
  return [
    el("h1", {}, "Guide"),
    el("div", {class: "stack"},
      el("p", {class: "muted"}, LEAD),
      top,
      el("div", {class: "guide"},
        el("div", {class: "stack"}, start, nodes(exercises)),
        el("div", {class: "stack"}, card("Concepts", el("ul", {class: "ticks"}, nodes(concepts))), card("Terms", el("dl", {class: "terms"}, terms))))),
  ];
}

function isSandbox({tiles}) {
  const ids = (tiles ?? []).map(([id]) => id);
  return DEVICES.every((id) => ids.includes(id));
}

function notice(wire, overview) {
  const run = el("code", {}, "make sandbox");
  if (!wire.visible) {
    return el("div", {class: "notice warn"},
      el("p", {}, `What other clients do cannot be seen: ${overview.process.dry_run ? "this is a dry run, without a broker" : wire.why_not}.`),
      el("p", {}, "To do the exercises, start the sandbox, ", run, ". What this simulator's own connection has done is shown."));
  }
  return !isSandbox(overview) && el("div", {class: "notice"},
    el("p", {}, "The exercises name the devices of the sandbox, and this is another plant. To do them as they are, start ", run, "."),
    el("p", {}, "Here, try the same with its own topics, which ", el("a", {href: "#/traffic"}, "Traffic"), " shows. What happens is ticked all the same."));
}

function progress(done) {
  const text = `${done} of ${EXERCISES.length}`;
  return el("div", {class: "guide-progress"}, el("p", {}, el("strong", {}, text), " exercises done since the broker began"), bar(done / EXERCISES.length, `${text} exercises done`));
}

function begin({mqtt, websocket}, port, announce) {
  return card("Begin every terminal so",
    commands(START, port, announce),
    el("p", {class: "muted"}, "MQTT at ", el("code", {}, mqtt), websocket && [", for pages at ", el("code", {}, websocket)], ". Any client will do: mosquitto_sub, MQTTX, MQTT.js."));
}

function exercise(number, {title, facts, steps, observe, why}, announce) {
  const ticks = Object.entries(facts).map(([fact, text]) => tick([fact], rich(text)));
  const chip = el("span");
  const body = el("div", {class: "stack"});
  const node = el("details", {class: "card exercise"},
    el("summary", {}, el("h2", {}, `${number} ${title}`), chip),
    el("ul", {class: "ticks"}, nodes(ticks)),
    body,
    el("p", {}, el("strong", {}, "Observe: "), rich(observe)),
    el("p", {}, el("strong", {}, "Why: "), rich(why)));
  return {
    node,
    number,
    open: () => { node.open = true; },
    fill: (port) => show(body, steps.map((each) => (typeof each === "string" ? el("p", {}, rich(each)) : commands(each[0], port, announce)))),
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

/** One line with a mark: whether any of some facts has happened, how often, when last and with whom. */
function tick(names, text) {
  const [mark, word, when] = [el("span", {class: "mark", "aria-hidden": "true"}), el("span", {class: "visually-hidden"}), el("span", {class: "muted small"})];
  const node = el("li", {}, mark, el("div", {}, word, text, " ", when));
  let before = "";
  return {
    node,
    update([facts, zone]) {
      const found = names.map((name) => facts[name]).filter(Boolean);
      const last = found.filter((each) => each.count).sort((a, b) => (a.last < b.last ? 1 : -1))[0];
      const state = last ? "done" : found.length ? "open" : "hidden";
      const now = JSON.stringify([state, last, zone]);
      if (now === before) return state;
      before = now;
      node.className = state;
      show(mark, MARKS[state][0]);
      show(word, MARKS[state][1]);
      show(when, last && [last.last && `${clock(last.last, zone)} `, last.by && `by ${last.by}, `, count(last.count, "time")]);
      return state;
    },
  };
}

function commands(text, port, announce) {
  const written = text.trimEnd().replace(/\b1883\b/g, port);
  const code = el("pre", {tabindex: "0", role: "group", "aria-label": "Commands"}, written);
  const button = el("button", {type: "button", class: "quiet", on: {click: copy}}, "Copy");
  async function copy() {
    try {
      await navigator.clipboard.writeText(`${written}\n`);
      show(button, "Copied");
      announce("Commands copied");
      setTimeout(() => show(button, "Copy"), 2000);
    } catch {
      getSelection().selectAllChildren(code); // a browser has no clipboard for a page of another machine without TLS
      announce("Commands selected: copy them with the keyboard");
    }
  }
  return el("div", {class: "run"}, code, button);
}

function card(title, ...children) {
  return el("section", {class: "card"}, el("h2", {}, title), children);
}

function nodes(parts) {
  return parts.map((each) => each.node);
}

/** Text in which backticks mark what is typed. */
function rich(text) {
  return text.split("`").map((part, place) => (place % 2 ? el("code", {}, part) : part));
}
