/** The plant's YAML: as it is in force, edited, checked, compared, applied, and saved or handed over as a patch. */

import {difference, unified} from "./diff.js";
import {el, set, show, write} from "./dom.js";
import {Editor} from "./editor.js";
import {count, number, words} from "./format.js";
import {copyButton} from "./payload.js";

const PATH = "/api/v1/plant";
const YAML = "application/yaml";
const TYPING_MS = 400;
const MOST_DIFF_LINES = 400;
let draft = null; // of this page, for who leaves the view and comes back: {base, text}

export const view = {
  path: "plant",
  title: "Plant",
  mount(root, context, _argument) {
    return new Plant(root, context).start();
  },
};

class Plant {
  #base = null; // the YAML in force as it was loaded
  #baseFound = null; // what the check says of it
  #found = null; // what the check says of the text: {text, machines, messages_per_second, notes} or {text, error}
  #isChecking = false;
  #isApplying = false;
  #timer = 0;
  #journal = null;
  #parts = {};

  constructor(root, {live, api, announce}) {
    Object.assign(this, {live, api, announce});
    this.editor = new Editor({label: "The plant's YAML", onInput: () => this.#edited(), announce});
    this.#build(root);
  }

  start() {
    const onOverview = ({detail}) => this.#overview(detail);
    const onUnload = (event) => this.#isChanged && event.preventDefault();
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

  get #isChanged() {
    return this.#base !== null && this.editor.text !== this.#base;
  }

  #build(root) {
    const parts = this.#parts;
    parts.message = el("div", {class: "stack"});
    parts.verdict = el("div", {});
    parts.mistakes = el("ol", {class: "plant-mistakes"});
    parts.figures = el("div", {});
    parts.apply = el("button", {type: "button", class: "primary", disabled: true, on: {click: () => this.#apply()}}, "Apply");
    parts.revert = el("button", {type: "button", disabled: true, on: {click: () => this.editor.replace(this.#base)}}, "Undo all edits");
    parts.save = el("input", {type: "checkbox", id: "plant-save", on: {change: () => this.#tell()}});
    parts.saveLabel = el("label", {for: "plant-save"});
    parts.saveRow = el("div", {class: "plant-save", hidden: true}, parts.save, parts.saveLabel);
    parts.stays = el("p", {class: "small muted"});
    parts.diff = el("section", {class: "card", hidden: true, "aria-labelledby": "plant-diff"});
    show(
      root,
      el("h1", {}, "Plant"),
      parts.message,
      el("div", {class: "plant-columns"},
        el("section", {class: "card plant-editor", "aria-labelledby": "plant-yaml"},
          el("div", {class: "row between"}, el("h2", {id: "plant-yaml"}, "YAML in force"), el("div", {class: "row"}, copyButton("Copy YAML", () => this.editor.text, this.announce), parts.revert)),
          this.editor.node, this.editor.hint),
        el("div", {class: "stack plant-side"},
          el("section", {class: "card", "aria-labelledby": "plant-check"}, el("h2", {id: "plant-check"}, "Check"), parts.verdict, parts.mistakes, parts.figures),
          el("section", {class: "card", "aria-labelledby": "plant-apply"}, el("h2", {id: "plant-apply"}, "Apply"), parts.saveRow, parts.stays, parts.apply))),
      parts.diff,
    );
  }

  /** Load the YAML in force; edits are kept, and compared with it. */
  async #load() {
    try {
      const text = await this.api.getText(PATH);
      if (this.isGone) return;
      const kept = this.#isChanged ? this.editor.text : this.#base === null && draft !== null ? draft.text : text;
      if (kept !== this.editor.text || this.#base === null) this.editor.load(kept);
      this.#base = text;
      this.#baseFound = null;
      this.#keep();
      this.#say(null);
    } catch (error) {
      if (!this.isGone) this.#say("bad", `The YAML cannot be loaded: ${error.detail ?? error.message}`, el("button", {type: "button", on: {click: () => this.#load()}}, "Try again"));
    }
    this.#soon(0);
  }

  #edited() {
    this.#keep();
    this.#soon(TYPING_MS);
    this.#tell();
  }

  #keep() {
    draft = this.#isChanged ? {text: this.editor.text} : null;
  }

  #overview(changed) {
    if (changed.has("process")) this.#tell();
    const newest = this.live.overview.journal?.[0]?.number ?? null;
    if (this.#journal !== null && newest !== this.#journal && !this.#isChanged && !this.#isApplying) this.#load();
    this.#journal = newest;
  }

  /** Check soon what is there then: a check at a time, and none of what nobody may send. */
  #soon(milliseconds) {
    clearTimeout(this.#timer);
    const isAllowed = this.#process.changes !== "token" || this.api.hasToken();
    if (isAllowed) this.#timer = setTimeout(() => this.#check(), milliseconds);
    this.#tell();
  }

  async #check() {
    if (this.#isChecking || this.isGone || this.#base === null) return;
    const {text} = this.editor;
    this.#isChecking = true;
    this.#tell();
    if (this.#baseFound === null) this.#baseFound = await this.#checked(this.#base);
    this.#found = text === this.#base ? this.#baseFound : await this.#checked(text);
    this.#isChecking = false;
    if (this.isGone) return;
    if (this.editor.text !== text) this.#soon(TYPING_MS);
    else if (this.#found.error?.status === 503) this.#soon(2000);
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

  get #isGood() {
    return this.#found !== null && !this.#found.error && this.#found.text === this.editor.text;
  }

  /** Show what a check has found, once for each. */
  #tellFound() {
    const {verdict, mistakes, figures} = this.#parts;
    const {error, notes = []} = this.#found;
    const places = error?.errors ?? [];
    const lines = places.flatMap(({line}) => (typeof line === "number" ? [line] : []));
    this.editor.mark(lines, this.#changedLines());
    show(mistakes, places.map((each) => el("li", {}, this.#mistake(each))));
    show(figures, error ? null : this.#figures(), notes.map((note) => el("p", {class: "small muted"}, note)));
    const [kind, text] = !error
      ? ["good", "✓ Valid."]
      : places.length > 0
        ? ["bad", `✗ ${count(places.length, "mistake")}. A click goes to the line.`]
        : ["bad", `✗ Not checked: ${error.detail}`];
    if (verdict.textContent !== text) {
      show(verdict, el("p", {class: kind}, text));
      this.announce(text.slice(2));
    }
    this.#tellDiff();
  }

  #changedLines() {
    let line = 0;
    return difference(this.#base, this.editor.text).flatMap(([sign]) => (sign === "-" ? [] : (line++, sign === "+" ? [line] : [])));
  }

  #mistake({line, path, rule, detail}) {
    if (typeof line !== "number") return el("span", {}, detail);
    return el("button", {type: "button", class: "plant-mistake", on: {click: () => this.editor.go(line)}},
      el("span", {class: "badge"}, `Line ${line}`), " ", path ? el("span", {class: "mono"}, path) : null, el("span", {}, rule ?? detail));
  }

  #figures() {
    const before = this.#baseFound.error ? {} : this.#baseFound;
    const now = this.#found;
    const kinds = [...new Set([...Object.keys(before.machines ?? {}), ...Object.keys(now.machines)])];
    const sum = (machines) => (machines ? Object.values(machines).reduce((total, each) => total + each, 0) : undefined);
    const rows = [
      ["Messages a second", before.messages_per_second, now.messages_per_second],
      ["Machines", sum(before.machines), sum(now.machines)],
      ...kinds.map((kind) => [words(kind), before.machines ? (before.machines[kind] ?? 0) : undefined, now.machines[kind] ?? 0]),
    ];
    return el("table", {class: "data plant-figures"},
      el("thead", {}, el("tr", {}, ["", "In force", "Edited", "Change"].map((name, place) => (place === 0 ? el("td", {}) : el("th", {scope: "col", class: "number"}, name))))),
      el("tbody", {}, rows.map(([name, old, value]) => el("tr", {}, el("th", {scope: "row"}, name), el("td", {class: "number"}, number(old)), el("td", {class: "number"}, number(value)), el("td", {class: "number"}, change(old, value))))));
  }

  #tellDiff() {
    const {diff} = this.#parts;
    const lines = unified(this.#base, this.editor.text, this.#file);
    diff.hidden = lines.length === 0;
    if (diff.hidden) return;
    const kinds = {"+": "is-plus", "-": "is-minus", "@": "is-place"};
    const more = lines.length - MOST_DIFF_LINES;
    const patch = `${lines.join("\n")}\n`;
    show(diff,
      el("div", {class: "row between"}, el("h2", {id: "plant-diff"}, "What changes"), copyButton("Copy patch", () => patch, this.announce)),
      el("pre", {class: "plant-diff scroll", tabindex: "0", role: "region", "aria-label": "Difference to the YAML in force"},
        lines.slice(0, MOST_DIFF_LINES).map((line, place) => el("span", {class: place < 2 ? "is-place" : kinds[line[0]]}, `${line}\n`))),
      more > 0 ? el("p", {class: "muted"}, `${count(more, "more line")}; the copied patch has them.`) : null,
      this.#process.plant_file_writable ? null : this.#handOver());
  }

  /** Return how the edits get into a file that cannot be saved from here. */
  #handOver() {
    const commands = [
      `patch ${this.#file} plant.diff`,
      `kubectl create configmap edgemqttsim -n azure-iot-operations --from-file=${this.#file} --dry-run=client -o yaml | kubectl label --local -f - app=edgemqttsim -o yaml | kubectl apply -f -`,
    ].join("\n");
    return el("div", {class: "stack plant-hand-over"},
      el("h3", {}, "To keep it"),
      el("p", {}, `Copy the patch into plant.diff beside ${this.#file}, which this page cannot save: ${this.#process.plant_file_why_not ?? "it may not be written"}. The first line changes the file; the second brings it to the ConfigMap, where the simulator runs in Kubernetes.`),
      el("pre", {class: "plant-commands scroll", tabindex: "0", role: "region", "aria-label": "Commands"}, commands),
      el("div", {}, copyButton("Copy commands", () => commands, this.announce)));
  }

  /** Bring buttons and texts in line with what is so. */
  #tell() {
    const {apply, revert, save, saveLabel, saveRow, stays, verdict} = this.#parts;
    const {plant_file_writable: canSave, plant_file_why_not: whyNot, changes} = this.#process;
    saveRow.hidden = !canSave;
    write(saveLabel, `Save it in ${this.#file}, too`);
    const doesSave = canSave && save.checked;
    write(stays, doesSave
      ? `The plant changes at once, as a whole or not at all, and so does the file. What it has now is kept beside it, as ${this.#file}.bak.`
      : `The plant changes at once, as a whole or not at all. The file stays as it is, and applies again when it changes or is loaded again.${canSave || !whyNot ? "" : ` It cannot be saved from here: ${whyNot}.`}`);
    set(apply, "disabled", !((this.#isChanged || doesSave) && this.#isGood) || this.#isApplying);
    write(apply, this.#isApplying ? "Applying …" : doesSave ? "Apply and save" : "Apply");
    set(revert, "disabled", !this.#isChanged);
    write(document.getElementById("plant-yaml"), this.#isChanged ? "YAML, edited" : "YAML in force");
    const needsToken = changes === "token" && !this.api.hasToken();
    if (needsToken && this.#found === null && this.#base !== null) {
      if (!verdict.querySelector("button")) show(verdict, el("p", {}, "To check and to apply needs the token of HTTP_TOKEN_FILE."), el("button", {type: "button", on: {click: () => this.#check()}}, "Check"));
    } else if (this.#found === null) show(verdict, el("p", {class: "muted"}, this.#base === null ? "Loading …" : "Checking …"));
    set(this.#parts.figures.parentNode, "aria-busy", this.#isChecking ? "true" : null);
  }

  async #apply() {
    const {text} = this.editor;
    const doesSave = Boolean(this.#process.plant_file_writable && this.#parts.save.checked);
    this.#isApplying = true;
    this.#tell();
    try {
      const inForce = await this.api.getText(PATH);
      if (inForce !== this.#base) {
        await this.#load();
        this.#say("warn", "Somebody has changed the plant meanwhile. Your edits are now compared with what is in force; look at what changes, and apply again.");
        return;
      }
      const answer = await this.api.send("PUT", PATH + (doesSave ? "?save=true" : ""), text, YAML);
      const total = Object.values(answer.machines).reduce((sum, each) => sum + each, 0);
      const saved = answer.saved ? ` Saved in ${answer.saved}; what it had is in ${answer.backup}.` : "";
      this.#base = null;
      draft = null;
      await this.#load();
      this.#say("good", `Applied: ${count(total, "machine")}.${saved}`);
    } catch (error) {
      const isOfText = error.status === 422 && error.errors.length > 0;
      if (isOfText) this.#found = {text, error};
      if (isOfText) this.#tellFound();
      this.#say("bad", `Not applied: ${error.detail ?? error.message}`);
    } finally {
      this.#isApplying = false;
      this.#tell();
    }
  }

  #say(kind, text, ...more) {
    show(this.#parts.message, kind === null ? null : el("div", {class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status"}, el("p", {}, text), more));
  }
}

function change(before, now) {
  if (before === undefined || before === now) return "";
  return `${now > before ? "▲ +" : "▼ −"}${number(Math.abs(now - before))}`;
}
