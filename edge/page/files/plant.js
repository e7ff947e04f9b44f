/** The plant's YAML: as it is in force, edited, checked, compared, applied, and saved or handed over as a patch. */

import {unified} from "./diff.js";
import {el, set, show, write} from "./dom.js";
import {Editor} from "./editor.js";
import {count, number} from "./format.js";
import {copyButton} from "./payload.js";

const PATH = "/api/v1/plant";
const YAML = "application/yaml";
const TYPING_MS = 400;
const BUSY_MS = 2000;
const MOST_DIFF_LINES = 400;
let draft = null; // for who leaves the view and comes back

export const view = {path: "plant", title: "Plant", mount: (root, context) => new Plant(root, context).start()};

class Plant {
  #base = null; // the YAML in force
  #baseFound = null; // what the check says of it
  #found = null; // what the check says of `text`: {text, machines, messages_per_second, notes} or {text, error}
  #isChecking = false;
  #isApplying = false;
  #timer = 0;
  #journal = null;

  constructor(root, {live, api, announce}) {
    Object.assign(this, {live, api, announce});
    this.editor = new Editor({label: "The plant's YAML", onInput: () => (this.#say(null), this.#edited()), announce});
    this.message = el("div", {class: "plant-message"});
    this.heading = el("h2", {id: "plant-yaml"});
    this.verdict = el("div", {});
    this.results = el("div", {});
    this.applyButton = el("button", {type: "button", class: "primary", on: {click: () => this.#apply()}});
    this.undoButton = el("button", {type: "button", on: {click: () => this.editor.replace(this.#base)}}, "Undo all edits");
    this.save = el("input", {type: "checkbox", on: {change: () => this.#tell()}});
    this.saveName = el("span", {});
    this.saveRow = el("label", {class: "row"}, this.save, this.saveName);
    this.stays = el("p", {class: "small muted"});
    this.diff = el("section", {class: "card", hidden: true, "aria-label": "What changes"});
    const card = (id, title, ...parts) => el("section", {class: "card", "aria-labelledby": id}, el("h2", {id}, title), parts);
    const copy = copyButton("Copy YAML", () => this.editor.text, announce);
    show(
      root,
      el("h1", {}, "Plant"),
      this.message,
      el("div", {class: "plant-columns"},
        el("section", {class: "card stack", "aria-labelledby": "plant-yaml"}, el("div", {class: "row between"}, this.heading, el("div", {class: "row"}, copy, this.undoButton)), this.editor.node, this.editor.hint),
        el("div", {class: "stack"}, card("plant-check", "Check", this.verdict, this.results), card("plant-apply", "Apply", el("div", {class: "stack"}, this.saveRow, this.stays, this.applyButton)))),
      this.diff,
    );
  }

  start() {
    const onOverview = ({detail}) => this.#overview(detail);
    const onUnload = (event) => this.#isEdited && event.preventDefault();
    this.live.addEventListener("overview", onOverview);
    addEventListener("beforeunload", onUnload);
    this.#load();
    return () => {
      this.live.removeEventListener("overview", onOverview);
      removeEventListener("beforeunload", onUnload);
      clearTimeout(this.#timer);
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

  /** Load the YAML in force. Edits are kept, and compared with it. */
  async #load() {
    try {
      const text = await this.api.getText(PATH);
      if (this.isGone) return;
      const kept = this.#isEdited ? this.editor.text : (draft ?? text);
      if (kept !== this.editor.text) this.editor.load(kept);
      this.#base = text;
      this.#baseFound = null;
      if (this.message.querySelector(".bad")) this.#say(null); // that it was applied stays to be read
      this.#edited(0);
    } catch (error) {
      this.#say("bad", `The YAML cannot be loaded: ${error.message}`, el("button", {type: "button", on: {click: () => this.#load()}}, "Try again"));
    }
  }

  #edited(pause = TYPING_MS) {
    draft = this.#isEdited ? this.editor.text : null;
    if (!this.#needsToken) this.#soon(pause);
    this.#tell();
  }

  #overview(changed) {
    if (changed.has("process")) this.#tell();
    const newest = this.live.overview.journal?.[0]?.number;
    if (newest !== this.#journal && this.#journal !== null && !this.#isEdited && !this.#isApplying) this.#load();
    this.#journal = newest;
  }

  #soon(pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#check(), pause);
  }

  /** Check what is there now; one check at a time. */
  async #check() {
    if (this.#isChecking || this.isGone || this.#base === null) return;
    const {text} = this.editor;
    this.#isChecking = true;
    this.#tell();
    this.#baseFound ??= await this.#checked(this.#base);
    this.#found = text === this.#base ? this.#baseFound : await this.#checked(text);
    this.#isChecking = false;
    if (this.isGone) return;
    if (this.editor.text !== text) this.#soon(TYPING_MS);
    else if (this.#found.error?.status === 503) this.#soon(BUSY_MS);
    this.#tellFound();
    this.#tell();
  }

  async #checked(text) {
    try {
      return {text, ...(await this.api.send("POST", `${PATH}/check`, text, YAML))};
    } catch (error) {
      return {text, error};
    }
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
    return el("button", {type: "button", class: "plant-mistake", on: {click: () => this.editor.go(line)}}, el("span", {class: "badge"}, `Line ${line}`), " ", el("span", {class: "mono"}, path), ` ${rule}`);
  }

  #figures() {
    const now = this.#found;
    const before = this.#baseFound.error ? {machines: {}} : this.#baseFound;
    const sum = ({machines}) => Object.values(machines).reduce((total, each) => total + each, 0);
    const rows = [["Messages a second", before.messages_per_second, now.messages_per_second], ["Machines", sum(before), sum(now)]];
    for (const kind of new Set(Object.keys({...before.machines, ...now.machines}))) rows.push([kind, before.machines[kind] ?? 0, now.machines[kind] ?? 0]);
    const head = ["In force", "Edited", "Change"].map((name) => el("th", {scope: "col", class: "number"}, name));
    const cells = (...texts) => texts.map((text) => el("td", {class: "number"}, text));
    return el("table", {class: "data"},
      el("thead", {}, el("tr", {}, el("td", {}), head)),
      el("tbody", {}, rows.map(([name, old, value]) => el("tr", {}, el("th", {scope: "row"}, name), cells(number(old), number(value), change(old, value))))));
  }

  #tellDiff(lines) {
    this.diff.hidden = lines.length === 0;
    const patch = `${lines.join("\n")}\n`;
    const kinds = {"+": "good", "-": "bad", "@": "muted"};
    show(this.diff,
      el("div", {class: "row between"}, el("h2", {}, "What changes"), copyButton("Copy patch", () => patch, this.announce)),
      block("Difference", lines.slice(0, MOST_DIFF_LINES).map((line, place) => el("span", {class: place < 2 ? "muted" : kinds[line[0]]}, `${line}\n`))),
      lines.length > MOST_DIFF_LINES ? el("p", {class: "muted"}, `${count(lines.length - MOST_DIFF_LINES, "more line")} in the patch.`) : null,
      this.#process.plant_file_writable ? null : this.#handOver());
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
    const doesSave = canSave && this.save.checked;
    const isGood = this.#found !== null && !this.#found.error && this.#found.text === this.editor.text;
    this.saveRow.hidden = !canSave;
    write(this.saveName, `Save it in ${this.#file}, too`);
    write(this.stays, doesSave
      ? `Plant and file change at once, both or neither. What the file has now is kept as ${this.#file}.bak.`
      : `The plant changes at once, as a whole or not at all. The file stays as it is, and applies again when it changes or is loaded again.${whyNot ? ` It cannot be saved from here: ${whyNot}.` : ""}`);
    write(this.applyButton, this.#isApplying ? "Applying …" : doesSave ? "Apply and save" : "Apply");
    this.applyButton.disabled = !isGood || this.#isApplying || !(this.#isEdited || doesSave);
    this.undoButton.disabled = !this.#isEdited;
    write(this.heading, this.#isEdited ? "YAML, edited" : "YAML in force");
    set(this.results, "aria-busy", this.#isChecking && "true");
    if (this.#found !== null) return;
    if (!this.#needsToken) show(this.verdict, el("p", {class: "muted"}, this.#base === null ? "Loading …" : "Checking …"));
    else if (!this.verdict.querySelector("button")) show(this.verdict, el("p", {}, "Checking and applying need a token. "), el("button", {type: "button", on: {click: () => this.#check()}}, "Check"));
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
      const doesSave = this.#process.plant_file_writable && this.save.checked;
      const {machines, saved, backup} = await this.api.send("PUT", PATH + (doesSave ? "?save=true" : ""), text, YAML);
      draft = this.#base = null;
      this.editor.load("");
      await this.#load();
      const total = Object.values(machines).reduce((sum, each) => sum + each, 0);
      this.#say("good", `Applied: ${count(total, "machine")}.${saved ? ` Saved in ${saved}; what it had is in ${backup}.` : ""}`);
    } catch (error) {
      this.#say("bad", `Not applied: ${error.message}`);
    } finally {
      this.#isApplying = false;
      this.#tell();
    }
  }

  #say(kind, text, button) {
    show(this.message, kind && el("div", {class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status"}, el("p", {}, text), button));
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

function block(label, ...content) {
  return el("pre", {class: "plant-block scroll", tabindex: "0", role: "region", "aria-label": label}, content);
}

function change(before, now) {
  if (before === undefined || before === now) return "";
  return `${now > before ? "▲ +" : "▼ −"}${number(Math.abs(now - before))}`;
}
