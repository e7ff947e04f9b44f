// A form that sends a command: its fields, the reason why it is not possible, and its answer or the rule it broke.
import {newId} from "./charts.js";
import {ownActions, inWords, START, STOP} from "./commands.js";
import {el, set, show, write} from "./dom.js";
import {clock} from "./format.js";

/** Return a function that sends a command once: again within a second, or after its answer was lost, it has its key. */
function sender(api) {
  let last = {};
  return async (body) => {
    const text = JSON.stringify(body);
    const isSame = last.text === text && (last.lost || performance.now() - last.at < 1000);
    last = {text, key: isSame ? last.key : api.newKey(), at: performance.now(), lost: false};
    try {
      return await api.command(body, last.key);
    } catch (error) {
      last.lost = error.status === 0;
      throw error;
    }
  };
}

function fieldOf(spec, id) {
  const given = {id, "aria-describedby": `${id}-hint ${id}-wrong`};
  const input = spec.options ? el("select", given) : el("input", {...given, type: "number", step: "any", autocomplete: "off"});
  const hint = el("span", {class: "muted hint", id: `${id}-hint`});
  const wrong = el("span", {class: "bad", id: `${id}-wrong`});
  let listed = "";
  return {
    spec,
    input,
    node: el("div", {class: "field"}, el("label", {for: id}, spec.label), input, hint, wrong),
    update(now, values) {
      const options = now && spec.options ? spec.options(now) : [];
      if (spec.options && listed !== (listed = JSON.stringify(options))) {
        const chosen = input.value;
        show(input, options.map(([value, text, disabled]) => el("option", {value, disabled: Boolean(disabled)}, text ?? value)));
        if (options.some(([value, , disabled]) => value === chosen && !disabled)) input.value = chosen;
        else input.selectedIndex = options.findIndex(([, , disabled]) => !disabled);
      }
      write(hint, (now && spec.hint?.(now, values())) || "");
    },
    refuse(rule) {
      write(wrong, rule ? `✕ ${rule}` : "");
      set(input, "aria-invalid", rule ? "true" : null);
    },
  };
}

/**
 * Return a form that sends a command: {node, update(now, why)}. target: {name: value} that is sent with it, as a function.
 * why: a reason why it is not possible that is shown elsewhere, once for all actions.
 */
export function actionForm(action, context, target = () => ({})) {
  const id = newId("act");
  const fields = (action.fields ?? []).map((spec) => fieldOf(spec, `${id}-${spec.name}`));
  const send = sender(context.api);
  const button = el("button", {type: "submit", "aria-describedby": `${id}-why`}, action.button ?? action.title);
  const why = el("p", {class: "muted why", id: `${id}-why`});
  const result = el("p", {class: "result"});
  let reason = null;
  let known = null;
  let isBusy = false;

  const values = () => Object.fromEntries(fields.map(({spec, input}) => [spec.name, input.value]));
  const sayResult = (text, kind) => {
    result.className = `result ${kind}`;
    write(result, text);
    context.announce(`${action.title}: ${text}`);
  };

  function body() {
    const found = {command: action.command, ...target()};
    for (const {spec, input, refuse} of fields) {
      const isEmpty = input.value === "";
      if (input.validity.badInput || (isEmpty && !spec.optional)) {
        refuse(spec.number ? "must be a number" : "must be chosen");
        input.focus();
        return null;
      }
      refuse(null);
      if (!isEmpty) found[spec.name] = spec.number ? Number(input.value) : input.value;
    }
    return found;
  }

  function refused(error) {
    const rest = [];
    for (const each of error.errors ?? []) {
      const name = (each.path ?? "").replace(/^\//, "");
      const at = fields.find(({spec}) => spec.name === name);
      if (!at) rest.push(name ? `${name}: ${each.detail}` : each.detail);
      at?.refuse(each.detail);
      at?.input.focus();
    }
    const text = rest.join("; ") || (error.errors?.length ? "refused, see above" : error.detail || error.message);
    sayResult(`✕ ${text}`, "bad");
  }

  async function submit(event) {
    event.preventDefault();
    if (isBusy) return;
    const wanted = reason ? context.announce(reason) : body();
    if (!wanted) return;
    isBusy = true;
    set(button, "aria-busy", "true");
    try {
      const {at, answer} = await send(wanted);
      const zone = context.live.overview?.process?.time_zone;
      sayResult(`✓ ${clock(at, zone)} ${inWords(answer, "machine_id", "message_type")}`, "good");
    } catch (error) {
      refused(error);
    } finally {
      isBusy = false;
      set(button, "aria-busy", null);
    }
  }

  function update(now, whyNot) {
    known = whyNot ? null : now;
    reason = whyNot || action.why?.(now) || null;
    write(why, reason ?? action.hint?.(now) ?? "");
    why.classList.toggle("visually-hidden", Boolean(whyNot)); // shown once for all
    set(button, "aria-disabled", reason ? "true" : null);
    for (const each of fields) each.update(known, values);
  }

  const heading = fields.length ? el("h3", {id: `${id}-title`}, action.title) : null;
  const node = el(
    "form",
    {class: fields.length ? "act" : "act plain", novalidate: "", "aria-labelledby": heading && `${id}-title`, on: {submit}},
    heading,
    fields.length ? el("div", {class: "act-fields"}, fields.map((each) => each.node)) : null,
    button,
    why,
    result,
  );
  for (const {input} of fields) input.addEventListener("change", () => known && fields.forEach((each) => each.update(known, values)));
  return {node, update};
}

/** Return the buttons of a machine that need no fields, those of its type's own among them: {node, update(now, why)}. */
export function quickActions(context, target, more = []) {
  const node = el("div", {class: "quick"});
  let listed = null;
  let made = [];
  return {
    node,
    update(now, whyNot) {
      const wanted = [START, STOP, ...ownActions(now.type), ...more];
      const names = JSON.stringify(wanted.map((each) => each.title));
      if (names !== listed) {
        made = wanted.map((action) => actionForm(action, context, target));
        show(node, made.map((each) => each.node));
        listed = names;
      }
      made.forEach((each) => each.update(now, whyNot));
    },
  };
}
