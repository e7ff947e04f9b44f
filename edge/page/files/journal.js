// What was done to the plant, or to one machine: a table that follows the journal.
import {inWords} from "./commands.js";
import {el, show, write} from "./dom.js";
import {clock} from "./format.js";
import {linkTo, table} from "./parts.js";

const PAGE = 50;
const MOST = 500;

/** Return a table of commands: {node, update()}. machineId: of one machine only. */
export function journalTable({api, live}, machineId = null) {
  const rows = el("tbody");
  const note = el("p", {class: "empty"}, "Loading.");
  const older = el("button", {type: "button", hidden: true, on: {click: () => load(next)}}, "Show older");
  const made = table("journal", ["Time", "By", "Command", "Answer"], rows);
  const asked = machineId === null ? {limit: PAGE} : {limit: PAGE, machine_id: machineId};
  const first = `/api/v1/journal?${new URLSearchParams(asked)}`;
  let newest = -1; // number of the newest entry; -1 before there are any
  let next = null;

  function rowOf({time, by, command, at, answer, error}) {
    const id = machineId === null ? command.machine_id : null;
    const result = error === undefined ? `✓ ${inWords(answer, "machine_id", "message_type") || "done"}` : `✕ ${error}`;
    return el(
      "tr",
      {},
      el("td", {}, clock(at ?? time, live.overview?.process.time_zone)),
      el("td", {}, by),
      el("td", {}, el("b", {}, command.command), " ", id && el("a", {href: linkTo(id)}, id), " ", inWords(command, "command", "machine_id")),
      el("td", {class: error === undefined ? "good" : "bad"}, result),
    );
  }

  async function load(path) {
    const seen = live.overview?.journal[0]?.number ?? 0; // of any machine
    newest = Math.max(newest, 0);
    try {
      const {entries, next: following = null} = await api.get(path);
      if (path === first) show(rows);
      rows.append(...entries.map(rowOf));
      newest = Math.max(newest, seen, entries[0]?.number ?? 0);
      next = following;
      tidy("No commands yet. They are listed here when somebody gives one.");
    } catch (error) {
      tidy(`✕ The journal cannot be read: ${error.detail}`);
    }
  }

  function tidy(text) {
    while (rows.childNodes.length > MOST) rows.lastChild.remove();
    older.hidden = next === null || rows.childNodes.length >= MOST;
    made.hidden = !rows.firstChild;
    note.hidden = !made.hidden;
    if (text) write(note, text);
  }

  function update() {
    const added = (live.overview?.journal ?? []).filter((each) => each.number > newest);
    if (newest < 0 || added.length === 0) return;
    if (added.at(-1).number > newest + 1) return void load(first); // more than the stream has
    newest = added[0].number;
    rows.prepend(...added.filter(({command}) => machineId === null || command.machine_id === machineId).map(rowOf));
    tidy("");
  }

  load(first);
  return {node: el("div", {}, el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Journal"}, made, note), older), update};
}
