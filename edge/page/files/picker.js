// The choice of one machine among many: a combobox whose suggestions come from the simulator (ARIA, combobox pattern).
import {newId} from "./charts.js";
import {el, set, show, write} from "./dom.js";
import {words} from "./format.js";

const SUGGESTED = 12;
const PAUSE_MS = 120;
const STEPS = {ArrowDown: 1, ArrowUp: -1};

/** Return {node, choose}. choose(id): shows a machine as the chosen one. onChosen: called with the id of the machine that somebody has chosen. */
export function machinePicker({api, announce}, onChosen) {
  const id = newId("picker");
  const list = el("ul", {id: `${id}-list`, role: "listbox", "aria-label": "Machines", class: "picker-list", hidden: true});
  const hint = el("span", {class: "hint", id: `${id}-hint`}, "Part of the id; arrow keys and Enter choose.");
  const aria = {"aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id, "aria-describedby": hint.id};
  const on = {input: later, focus: () => input.select(), keydown, blur: leave};
  const input = el("input", {id, role: "combobox", autocomplete: "off", spellcheck: "false", ...aria, on});
  let turn = 0; // of what is asked for; older answers are dropped
  let timer = 0;
  let active = -1;
  let chosen = "";

  function later() {
    clearTimeout(timer);
    timer = setTimeout(suggest, PAUSE_MS);
  }

  async function suggest() {
    const mine = (turn += 1);
    try {
      const asked = new URLSearchParams({text: input.value.trim(), limit: SUGGESTED});
      const {machines, next} = await api.get(`/api/v1/machines?${asked}`);
      if (mine !== turn) return;
      show(list, machines.map(option));
      open(machines.length > 0);
      const count = machines.length ? `${machines.length}${next ? " of more" : ""} suggested` : "No machine has this in its id";
      write(hint, `${count}; arrow keys and Enter choose.`);
      announce(count);
    } catch (error) {
      write(hint, `✕ ${error.detail}`);
    }
  }

  function option({machine_id: name, machine_type: kind, state}, place) {
    const on = {mousedown: (event) => event.preventDefault(), click: () => take(name)}; // the input keeps the focus
    return el("li", {id: `${id}-${place}`, role: "option", "data-machine": name, on}, name, el("span", {class: "muted small"}, `${words(kind)}, ${words(state)}`));
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
    set(input, "aria-activedescendant", list.children[place]?.id);
    list.children[place]?.scrollIntoView({block: "nearest"});
  }

  /** What stands in the field is what commands are for: who leaves it has chosen, or keeps the machine from before. */
  function leave() {
    const text = input.value.trim();
    if (document.activeElement === input) return close(); // the whole window was left
    if (text === "") input.value = chosen;
    else if (text !== chosen) return take(text);
    close();
  }

  function take(name) {
    close();
    onChosen(name);
  }

  function choose(name) {
    input.value = chosen = name;
  }

  function keydown(event) {
    const step = STEPS[event.key];
    const count = list.children.length;
    if (step && list.hidden) suggest();
    else if (step) mark(active < 0 ? Math.min(step, 0) && count - 1 : (active + step + count) % count);
    else if (event.key === "Enter" && input.value.trim()) take(list.children[active]?.dataset.machine ?? input.value.trim());
    else if (event.key === "Escape" && !list.hidden) close();
    else return;
    event.preventDefault();
  }

  return {node: el("div", {class: "field picker"}, el("label", {for: id}, "Machine"), input, list, hint), choose};
}
