// A form that sends a command: its fields, the reason why it is not possible, and its answer or the rule it broke.
import {newId} from "./charts.js";
import {inWords, quickOf} from "./commands.js";
import {el, set, show, write} from "./dom.js";
import {clock} from "./format.js";

const AGAIN_MS = 1000;

/** Return a function that sends a command; the same again within a second, or after a lost answer, is done once. */
function sender(api) {
  let last = {};
  return async (body) => {
    const text = JSON.stringify(body);
    const at = performance.now();
    const isSame = last.text === text && (last.isLost || at - last.at < AGAIN_MS);
    last = {text, key: isSame ? last.key : api.newKey(), at, isLost: false};
    try {
      return await api.command(body, last.key);
    } catch (error) {
      last.isLost = error.status === 0;
      throw error;
    }
  };
}

function fieldOf(spec, id) {
  const given = {id, "aria-describedby": `${id}-hint ${id}-wrong`};
  const input = spec.options ? el("select", given) : el("input", {...given, type: "number", step: "any", autocomplete: "off"});
  const hint = el("span", {class: "hint", id: `${id}-hint`});
  const wrong = el("span", {class: "bad", id: `${id}-wrong`});
  let listed = "[]";

  function offer(options) {
    const chosen = input.value;
    show(input, options.map(([value, text, disabled]) => el("option", {value, disabled}, text ?? value)));
    const possible = options.filter(([, , isDisabled]) => !isDisabled).map(([value]) => value);
    input.value = possible.includes(chosen) ? chosen : (possible[0] ?? "");
  }

  return {
    spec,
    input,
    node: el("div", {class: "field"}, el("label", {for: id}, spec.label), input, hint, wrong),
    update(now, values) {
      const options = (now && spec.options?.(now)) || [];
      if (listed !== (listed = JSON.stringify(options))) offer(options);
      write(hint, (now && spec.hint?.(now, values())) || "");
    },
    refuse(rule) {
      write(wrong, rule && `✕ ${rule}`);
      set(input, "aria-invalid", rule && "true");
      if (rule) input.focus();
    },
  };
}

/**
 * Return a form that sends a command: {node, update(now, why)}. target: returns what is sent beside its fields.
 * why: a reason why it is not possible that is shown elsewhere, once for all.
 */
export function actionForm(action, context, target = () => ({})) {
  const id = newId("act");
  const fields = (action.fields ?? []).map((spec) => fieldOf(spec, `${id}-${spec.name}`));
  const send = sender(context.api);
  const button = el("button", {type: "submit", "aria-describedby": `${id}-why`}, action.title);
  const why = el("p", {class: "muted", id: `${id}-why`});
  const result = el("p");
  let known = null;
  let reason = null;
  let isBusy = false;

  const values = () => Object.fromEntries(fields.map(({spec, input}) => [spec.name, input.value]));
  const refresh = () => fields.forEach((each) => each.update(known, values));
  const say = (text, kind) => {
    set(result, "class", kind);
    write(result, text);
    context.announce(`${action.title}: ${text}`);
  };

  /** Return the command as it was filled in; null where a field is not. */
  function filled() {
    const body = {command: action.command, ...target()};
    for (const {spec, input, refuse} of fields) {
      const isMissing = input.value === "" && (!spec.isOptional || input.validity.badInput);
      refuse(isMissing ? `must be ${spec.isNumber ? "a number" : "chosen"}` : null);
      if (isMissing) return null;
      if (input.value !== "") body[spec.name] = spec.isNumber ? Number(input.value) : input.value;
    }
    return body;
  }

  function refused({errors, detail}) {
    const placed = errors.filter((each) => {
      const field = fields.find(({spec}) => each.path === `/${spec.name}`);
      field?.refuse(each.detail);
      return field;
    });
    say(placed.length ? "✕ refused" : `✕ ${detail}`, "bad");
  }

  async function submit(event) {
    event.preventDefault();
    const body = isBusy ? null : reason === null ? filled() : context.announce(reason);
    if (!body) return;
    isBusy = true;
    try {
      const {at, answer} = await send(body);
      const time = clock(at, context.live.overview?.process.time_zone);
      say(`✓ ${time} ${inWords(answer, "machine_id", "message_type")}`, "good");
    } catch (error) {
      refused(error);
    } finally {
      isBusy = false;
    }
  }

  function update(now, whyNot = null) {
    known = whyNot === null ? now : null;
    reason = whyNot ?? action.why?.(now) ?? null;
    write(why, reason ?? action.hint?.(now));
    set(why, "class", whyNot === null ? "muted" : "visually-hidden");
    set(button, "aria-disabled", reason && "true");
    refresh();
  }

  const parts = fields.length ? el("div", {class: "act-fields"}, fields.map((each) => each.node)) : null;
  const given = {class: "act", novalidate: true, "aria-label": action.title, on: {submit, change: refresh}};
  return {node: el("form", given, parts, button, why, result), update};
}

/** Return the buttons of a machine that need no fields: {node, update(now, why)}. */
export function quickActions(context, target) {
  const node = el("div", {class: "quick"});
  let listed = null;
  let made = [];
  return {
    node,
    update(now, whyNot) {
      const wanted = quickOf(now.type);
      if (listed !== (listed = wanted.map(({title}) => title).join())) {
        made = wanted.map((action) => actionForm(action, context, target));
        show(node, made.map((each) => each.node));
      }
      made.forEach((each) => each.update(now, whyNot));
    },
  };
}
