// What was done to the plant, or to one machine: a table that follows the journal.
import {inWords} from "./commands.js";
import {el, show, write} from "./dom.js";
import {clock} from "./format.js";
import {linkTo, table} from "./parts.js";

const MOST = 200;

/** Return a table of the newest commands: {node, update()}. machineId: of one machine only. */
export function journalTable({api, live}, machineId = null) {
  const rows = el("tbody");
  const note = el("p", {class: "empty"}, "Loading.");
  const made = table("journal", ["Time", "By", "Command", "Answer"], rows);
  const asked = new URLSearchParams({limit: MOST, ...(machineId !== null && {machine_id: machineId})});
  let newest = -1; // number of the newest entry, of any machine; -1 before it is known
  let age = 0; // of the run, in seconds

  function rowOf({time, by, command, at, answer, error}) {
    const id = machineId === null ? command.machine_id : null;
    const [kind, result] = error === undefined ? ["good", `✓ ${inWords(answer, "machine_id", "message_type") || "done"}`] : ["bad", `✕ ${error}`];
    return el(
      "tr",
      {},
      el("td", {}, clock(at ?? time, live.overview?.process.time_zone)),
      el("td", {}, by),
      el("td", {}, el("b", {}, command.command), " ", id && el("a", {href: linkTo(id)}, id), " ", inWords(command, "command", "machine_id")),
      el("td", {class: kind}, result),
    );
  }

  async function load() {
    const seen = live.overview?.journal[0]?.number ?? 0;
    try {
      const {entries} = await api.get(`/api/v1/journal?${asked}`);
      newest = Math.max(seen, entries[0]?.number ?? 0);
      show(rows, entries.map(rowOf));
      write(note, "No commands yet. They are listed here when somebody gives one.");
    } catch (error) {
      newest = seen;
      write(note, `✕ The journal cannot be read: ${error.detail}`);
    }
    tidy();
  }

  function tidy() {
    while (rows.childNodes.length > MOST) rows.lastChild.remove();
    made.hidden = !rows.firstChild;
    note.hidden = !made.hidden;
  }

  function update() {
    const {uptime_seconds: now = 0} = live.overview?.process ?? {};
    const isOther = now < age; // the simulator was started again, and counts from one again
    age = now;
    if (isOther) return void load();
    const added = (live.overview?.journal ?? []).filter((each) => each.number > newest);
    if (newest < 0 || added.length === 0) return;
    if (added.at(-1).number > newest + 1) return void load(); // more than the stream has
    newest = added[0].number;
    rows.prepend(...added.filter(({command}) => machineId === null || command.machine_id === machineId).map(rowOf));
    return tidy();
  }

  load();
  return {node: el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Journal"}, made, note), update};
}
