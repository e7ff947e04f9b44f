// The plant's YAML: as it is in force, edited, checked, compared, applied, and saved or handed over as a patch.
import {unified} from "./diff.js";
import {el, set, show, write} from "./dom.js";
import {Editor} from "./editor.js";
import {count, number} from "./format.js";
import {table} from "./parts.js";
import {block, button, copyButton, listen} from "./payload.js";

const PATH = "/api/v1/plant";
const TYPING_MS = 400;
const BUSY_MS = 2000;
const MOST_LINES = 400; // of the difference, in the page
const sum = (machines) => Object.values(machines).reduce((total, each) => total + each, 0);
let draft = null; // for who leaves the view and comes back

export const view = {path: "plant", title: "Plant", mount: (root, context) => new Plant(root, context).start()};

class Plant {
  #base = null; // the YAML in force
  #baseFound = null; // what the check says of it
  #found = null; // what the check says of `text`: {text, machines, messages_per_second, notes} or {text, error}
  #saved = null; // what the file has since it was saved from here
  #isChecking = false;
  #isApplying = false;
  #journal;

  constructor(root, {live, api, announce}) {
    Object.assign(this, {live, api, announce});
    this.editor = new Editor({label: "The plant's YAML", onInput: () => this.#edited(), announce});
    const [message, heading, verdict, results, stays, saveName] = [["div", "plant-message"], ["h2"], ["div"], ["div"], ["p", "small muted"], ["span"]].map(([tag, kind]) => el(tag, {class: kind}));
    Object.assign(this, {message, heading, verdict, results, stays, saveName});
    this.applier = button("Apply", () => this.#apply(), "primary");
    this.undoer = button("Undo all edits", () => this.editor.replace(this.#base));
    this.save = el("input", {type: "checkbox", on: {change: () => this.#tell()}});
    this.saveRow = el("label", {class: "row"}, this.save, saveName);
    this.diff = el("section", {class: "card", hidden: true});
    const card = (kind, ...parts) => el("section", {class: `card ${kind}`}, parts);
    const copier = copyButton("Copy YAML", () => this.editor.text, announce);
    show(root,
      el("h1", {}, "Plant"), message,
      el("div", {class: "plant-columns"},
        card("stack", el("div", {class: "row between"}, heading, el("div", {class: "row"}, copier, this.undoer)), this.editor.node, this.editor.hint),
        el("div", {class: "stack"}, card("", el("h2", {}, "Check"), verdict, results), card("stack", el("h2", {}, "Apply"), this.saveRow, stays, this.applier))),
      this.diff);
  }

  start() {
    const ends = [
      listen(this.live, {overview: ({detail}) => this.#overview(detail)}),
      listen(window, {beforeunload: (event) => this.#isEdited && event.preventDefault()}),
    ];
    this.#load();
    return () => {
      ends.forEach((end) => end());
      clearTimeout(this.timer);
      this.isGone = true;
    };
  }

  get #process() {
    return this.live.overview?.process ?? {};
  }

  get #file() {
    return this.#process.plant_file ?? "message_structure.yaml";
  }

  get #isEdited() {
    return this.#base !== null && this.editor.text !== this.#base;
  }

  get #needsToken() {
    return this.#process.changes === "token" && !this.api.hasToken();
  }

  get #doesSave() {
    return this.#process.plant_file_writable && this.save.checked;
  }

  /** Load the YAML in force. Edits are kept, and compared with it. */
  async #load() {
    this.#journal = this.#newest;
    try {
      const text = await this.api.getText(PATH);
      if (this.isGone) return;
      const kept = this.#isEdited ? this.editor.text : (draft ?? text);
      if (kept !== this.editor.text) this.editor.load(kept);
      if (this.#base === null) this.#say(null);
      this.#base = text;
      this.#baseFound = null;
      this.#edited(0);
    } catch (error) {
      this.#say("bad", `The YAML cannot be loaded: ${error.message}`, button("Try again", () => this.#load()));
    }
  }

  #edited(pause = TYPING_MS) {
    draft = this.#isEdited ? this.editor.text : null;
    if (!this.#needsToken) this.#soon(pause);
    this.#tell();
  }

  #overview(changed) {
    if (changed.has("process")) this.#tell();
    if (this.#newest !== this.#journal && !this.#isEdited && !this.#isApplying) this.#load();
  }

  /** The number of what was done last: the plant may be another one since then. */
  get #newest() {
    return this.live.overview?.journal[0]?.number;
  }

  #soon(pause) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#check(), pause);
  }

  /** Check what is there now; one check at a time. */
  async #check() {
    if (this.#isChecking || this.isGone || this.#base === null) return;
    const {text} = this.editor;
    const base = this.#base;
    this.#isChecking = true;
    this.#tell();
    const baseFound = this.#baseFound ?? (await this.#checked(base));
    this.#found = text === base ? baseFound : await this.#checked(text);
    this.#isChecking = false;
    if (this.isGone) return;
    if (this.#base !== base) return this.#soon(0); // another YAML is in force since then
    this.#baseFound = baseFound;
    if (this.editor.text !== text) this.#soon(TYPING_MS);
    else if (this.#found.error?.status === 503) this.#soon(BUSY_MS);
    this.#tellFound();
    this.#tell();
  }

  async #checked(text) {
    try {
      return {text, ...(await this.#send("POST", `${PATH}/check`, text))};
    } catch (error) {
      return {text, error};
    }
  }

  #send(method, path, text) {
    return this.api.send(method, path, text, "application/yaml");
  }

  /** Show what a check has found. */
  #tellFound() {
    const {error, notes = []} = this.#found;
    const mistakes = error?.errors ?? [];
    const text = !error ? "✓ Valid" : mistakes.length > 0 ? `✗ ${count(mistakes.length, "mistake")}` : `✗ Not checked: ${error.message}`;
    if (this.verdict.textContent !== text) {
      show(this.verdict, el("p", {class: error ? "bad" : "good"}, text));
      this.announce(text.slice(2));
    }
    show(this.results,
      error ? el("ol", {class: "plant-mistakes scroll"}, mistakes.map((each) => el("li", {}, this.#mistake(each)))) : this.#figures(),
      notes.map((note) => el("p", {class: "small muted"}, note)));
    const lines = unified(this.#base, this.editor.text, this.#file);
    this.editor.mark(mistakes.flatMap(({line}) => line ?? []), editedLines(lines));
    this.#tellDiff(lines);
  }

  #mistake({line, path, rule, detail}) {
    if (!line) return detail;
    const text = [el("span", {class: "badge"}, `Line ${line}`), " ", el("span", {class: "mono"}, path), ` ${rule}`];
    return button(text, () => this.editor.go(line), "plant-mistake");
  }

  #figures() {
    const now = this.#found;
    const before = this.#baseFound.error ? {machines: {}} : this.#baseFound;
    const rows = [["Messages a second", before.messages_per_second, now.messages_per_second], ["Machines", sum(before.machines), sum(now.machines)]];
    for (const kind in {...before.machines, ...now.machines}) rows.push([kind, before.machines[kind] ?? 0, now.machines[kind] ?? 0]);
    const cells = (...texts) => texts.map((text) => el("td", {class: "number"}, text));
    const body = rows.map(([name, old, value]) => el("tr", {}, el("th", {scope: "row"}, name), cells(number(old), number(value), change(old, value))));
    return table("plant-figures", ["Of the plant", "In force", "Edited", "Change"], el("tbody", {}, body));
  }

  #tellDiff(lines) {
    this.diff.hidden = lines.length === 0;
    const patch = `${lines.join("\n")}\n`;
    const kinds = {"+": "good", "-": "bad", "@": "muted"};
    show(this.diff,
      el("div", {class: "row between"}, el("h2", {}, "What changes"), copyButton("Copy patch", () => patch, this.announce)),
      block("Difference", lines.slice(0, MOST_LINES).map((line, place) => el("span", {class: place < 2 ? "muted" : kinds[line[0]]}, `${line}\n`))),
      lines.length > MOST_LINES && el("p", {class: "muted"}, `${count(lines.length - MOST_LINES, "more line")} in the patch.`),
      !this.#process.plant_file_writable && this.#handOver());
  }

  /** Return how the edits get into a file that cannot be saved from here. */
  #handOver() {
    const commands = `patch ${this.#file} plant.diff
kubectl create configmap edgemqttsim -n azure-iot-operations --from-file=${this.#file} --dry-run=client -o yaml \\
  | kubectl label --local -f - app=edgemqttsim -o yaml | kubectl apply -f -`;
    return [
      el("p", {}, `To keep it, copy the patch into plant.diff, beside your ${this.#file}. The first command changes that file, the second the ConfigMap of a simulator in Kubernetes.`),
      block("Commands", commands),
      copyButton("Copy commands", () => commands, this.announce),
    ];
  }

  /** Bring buttons and texts in line with what is so. */
  #tell() {
    const {plant_file_writable: canSave, plant_file_why_not: whyNot} = this.#process;
    const isGood = this.#found !== null && !this.#found.error && this.#found.text === this.editor.text;
    this.saveRow.hidden = !canSave;
    write(this.saveName, `Save it in ${this.#file}, too`);
    write(this.stays, this.#doesSave
      ? `Plant and file change at once, both or neither. What the file has now is kept as ${this.#file}.bak.`
      : `The plant changes at once, as a whole or not at all. The file stays as it is, and applies again when it changes or is loaded again.${whyNot ? ` It cannot be saved from here: ${whyNot}.` : ""}`);
    write(this.applier, this.#isApplying ? "Applying …" : this.#doesSave ? "Apply and save" : "Apply");
    this.applier.disabled = !isGood || this.#isApplying || !(this.#isEdited || (this.#doesSave && this.#saved !== this.editor.text));
    this.undoer.disabled = !this.#isEdited;
    write(this.heading, this.#isEdited ? "YAML, edited" : "YAML in force");
    set(this.results, "aria-busy", this.#isChecking && "true");
    if (this.#found !== null) return;
    if (!this.#needsToken) write(this.verdict, this.#base === null ? "Loading …" : "Checking …");
    else if (!this.verdict.querySelector("button")) show(this.verdict, el("p", {}, "Checking and applying need a token. "), button("Check", () => this.#check()));
  }

  async #apply() {
    const {text} = this.editor;
    this.#isApplying = true;
    this.#tell();
    try {
      if ((await this.api.getText(PATH)) !== this.#base) {
        await this.#load();
        this.#say("warn", "Somebody else has changed the plant. Your edits are now compared with what is in force: look at them, and apply again.");
        return;
      }
      const {machines, saved, backup} = await this.#send("PUT", PATH + (this.#doesSave ? "?save=true" : ""), text);
      this.#base = text; // what was typed meanwhile is an edit of it
      this.#saved = saved ? text : null;
      await this.#load();
      this.#say("good", `Applied: ${count(sum(machines), "machine")}.${saved ? ` Saved in ${saved}; what it had is in ${backup}.` : ""}`);
    } catch (error) {
      this.#say("bad", / it is applied$/.test(error.message) ? error.message : `Not applied: ${error.message}`);
    } finally {
      this.#isApplying = false;
      this.#tell();
    }
  }

  #say(kind, text, more) {
    show(this.message, kind && el("div", {class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status"}, el("p", {}, text), more));
  }
}

/** Return the lines of the new text, counted from 1, that a unified diff adds. */
function editedLines(lines) {
  let line = 0;
  return lines.slice(2).flatMap((text) => {
    if (text[0] === "@") line = Number(/\+(\d+)/.exec(text)[1]) - 1;
    else if (text[0] === "+" || text[0] === " ") line++;
    return text[0] === "+" ? [line] : [];
  });
}

function change(before, now) {
  return before === undefined || before === now ? "" : `${now > before ? "▲ +" : "▼ −"}${number(Math.abs(now - before))}`;
}
