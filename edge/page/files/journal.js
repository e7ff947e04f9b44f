// What was done to the plant, or to one machine: a table that follows the journal.
import {inWords} from "./commands.js";
import {el, show, write} from "./dom.js";
import {clock} from "./format.js";

const SHOWN = 50;
const MOST = 500;

/** Return a table of commands: {node, update()}. machineId: of one machine only. update: after the journal has changed. */
export function journalTable(context, machineId = null) {
  const {api, live} = context;
  const rows = el("tbody");
  const state = el("p", {class: "empty"}, "Loading.");
  const older = el("button", {type: "button", hidden: true, on: {click: () => load(next)}}, "Show older");
  const heads = ["Time", "By", "Command", "Answer"].map((text) => el("th", {scope: "col"}, text));
  const table = el("table", {class: "data journal", hidden: true}, el("thead", {}, el("tr", {}, heads)), rows);
  const first = `/api/v1/journal?limit=${SHOWN}` + (machineId === null ? "" : `&machine_id=${encodeURIComponent(machineId)}`);
  let newest = 0;
  let next = null;
  let isLoading = false;

  function row({number, time, by, command, at, answer, error}) {
    const zone = live.overview?.process?.time_zone;
    const id = command.machine_id;
    const link = id && machineId === null && el("a", {href: `#/machines/${encodeURIComponent(id)}`}, id);
    const result = error === undefined ? ["good", `✓ ${inWords(answer, "machine_id", "message_type") || "done"}`] : ["bad", `✕ ${error}`];
    const made = el(
      "tr",
      {},
      el("td", {class: "number"}, clock(at ?? time, zone)),
      el("td", {}, by),
      el("td", {}, el("b", {}, command.command), " ", link, " ", inWords(command, "command", "machine_id")),
      el("td", {class: result[0]}, result[1]),
    );
    made.dataset.number = number;
    return made;
  }

  async function load(path) {
    if (isLoading) return;
    isLoading = true;
    try {
      const {entries, next: following} = await api.get(path);
      if (path === first) show(rows);
      rows.append(...entries.map(row));
      newest = Math.max(newest, entries[0]?.number ?? 0);
      next = following ?? null;
      shown();
    } catch (error) {
      table.hidden = true;
      state.hidden = false;
      write(state, `✕ The journal cannot be read: ${error.detail ?? error.message}`);
    } finally {
      isLoading = false;
    }
  }

  function shown() {
    while (rows.childNodes.length > MOST) rows.lastChild.remove();
    const isEmpty = !rows.firstChild;
    table.hidden = isEmpty;
    state.hidden = !isEmpty;
    older.hidden = !next || rows.childNodes.length >= MOST;
    write(state, machineId === null ? "No commands yet. They are listed here as soon as somebody gives one." : "No commands to this machine yet.");
  }

  function update() {
    const known = live.overview?.journal ?? [];
    const added = known.filter((each) => each.number > newest);
    if (!added.length || isLoading) return;
    if (newest > 0 && known.at(-1).number > newest + 1) return void load(first); // more than the stream has
    newest = known[0].number;
    rows.prepend(...added.filter((each) => machineId === null || each.command.machine_id === machineId).map(row));
    shown();
  }

  load(first).then(update);
  return {node: el("div", {}, el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Commands"}, table, state), older), update};
}
