// The choice of one machine among many: a combobox whose suggestions come from the simulator (ARIA, combobox pattern).
import {newId} from "./charts.js";
import {el, set, show, write} from "./dom.js";
import {words} from "./format.js";

const SUGGESTED = 12;
const PAUSE_MS = 120;

/** Return {node, input}. onChosen: called with the id of the machine that somebody has chosen. */
export function machinePicker(context, onChosen) {
  const id = newId("picker");
  const list = el("ul", {id: `${id}-list`, role: "listbox", "aria-label": "Machines", class: "picker-list", hidden: true});
  const hint = el("span", {class: "muted hint", id: `${id}-hint`}, "Part of the id; arrow keys and Enter choose.");
  const input = el("input", {
    id,
    type: "text",
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": list.id,
    "aria-describedby": hint.id,
    on: {input: () => later(), focus: () => input.select(), keydown: onKey, blur: close},
  });
  let turn = 0;
  let timer = 0;
  let active = -1;

  function later() {
    clearTimeout(timer);
    timer = setTimeout(suggest, PAUSE_MS);
  }

  async function suggest() {
    const mine = (turn += 1);
    try {
      const asked = new URLSearchParams({text: input.value.trim(), limit: SUGGESTED});
      const {machines, next} = await context.api.get(`/api/v1/machines?${asked}`);
      if (mine !== turn || document.activeElement !== input) return;
      show(list, machines.map(option));
      open(machines.length > 0);
      const count = `${machines.length}${next ? " of more" : ""} suggested`;
      write(hint, machines.length ? `${count}; arrow keys and Enter choose.` : "No machine has this in its id.");
      context.announce(machines.length ? count : hint.textContent);
    } catch (error) {
      write(hint, `✕ ${error.detail}`);
    }
  }

  function option({machine_id: name, machine_type: kind, state}, place) {
    const texts = [el("span", {}, name), el("span", {class: "muted small"}, `${words(kind)}, ${words(state)}`)];
    const node = el("li", {id: `${id}-${place}`, role: "option", "aria-selected": "false"}, texts);
    node.addEventListener("mousedown", (event) => event.preventDefault()); // the input keeps the focus
    node.addEventListener("click", () => take(name));
    node.dataset.machine = name;
    return node;
  }

  function open(isOpen) {
    list.hidden = !isOpen;
    set(input, "aria-expanded", String(isOpen));
    mark(-1);
  }

  function close() {
    clearTimeout(timer);
    turn += 1;
    open(false);
  }

  function mark(place) {
    active = place;
    [...list.children].forEach((each, at) => set(each, "aria-selected", String(at === place)));
    set(input, "aria-activedescendant", list.children[place]?.id ?? null);
    list.children[place]?.scrollIntoView({block: "nearest"});
  }

  function take(name) {
    input.value = name;
    close();
    onChosen(name);
  }

  function onKey(event) {
    const steps = {ArrowDown: 1, ArrowUp: -1};
    if (event.key in steps) {
      event.preventDefault();
      if (list.hidden) return void suggest();
      const count = list.children.length;
      mark(active < 0 ? (steps[event.key] > 0 ? 0 : count - 1) : (active + steps[event.key] + count) % count);
    } else if (event.key === "Enter" && input.value.trim()) {
      event.preventDefault();
      take(list.children[active]?.dataset.machine ?? input.value.trim());
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    }
  }

  const node = el("div", {class: "field picker"}, el("label", {for: id}, "Machine"), input, list, hint);
  return {node, input};
}
