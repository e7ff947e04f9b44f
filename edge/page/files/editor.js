// A text field for YAML: line numbers, marked lines, and keys that indent and yet let the keyboard leave.
import {el, set, show, write} from "./dom.js";

const STEP = "  ";
const MOST_MARKS = 300;
const MOST_TYPED = 30000; // characters; 100,000 take 20 s

/** The field. onInput: called after each change.  announce: tells screen readers. */
export class Editor {
  #doesTabLeave = true;

  constructor({label, onInput, announce}) {
    this.announce = announce;
    this.numbers = el("div", {class: "editor-numbers"});
    this.marks = el("div", {class: "editor-marks"});
    const on = {
      input: () => {
        this.#doesTabLeave = false;
        this.#number();
        onInput();
      },
      scroll: () => [this.numbers, this.marks].forEach((node) => (node.style.transform = `translateY(${-this.field.scrollTop}px)`)),
      keydown: (event) => this.#key(event),
      pointerdown: () => (this.#doesTabLeave = false),
      blur: () => (this.#doesTabLeave = true),
    };
    const typing = {spellcheck: "false", autocomplete: "off", autocapitalize: "off"};
    this.field = el("textarea", {class: "editor-text", wrap: "off", "aria-label": label, "aria-describedby": "editor-hint", ...typing, on});
    this.node = el("div", {class: "editor"}, el("div", {class: "editor-back", "aria-hidden": "true"}, this.numbers, this.marks), this.field);
    this.hint = el("p", {class: "hint small", id: "editor-hint"}, "While you type, Tab indents. Escape, then Tab, leaves the field.");
  }

  get text() {
    return this.field.value;
  }

  /** Show another text, as one that nobody has typed. */
  load(text) {
    this.field.value = text;
    this.#number();
  }

  /** Type another text over all of it, so that it can be undone. */
  replace(text) {
    this.field.focus();
    this.field.select();
    this.#type(text);
    this.go(1);
  }

  /** Mark lines, counted from 1: those with mistakes, and those that are edited. */
  mark(bad, changed) {
    const bands = (lines, kind) =>
      lines.slice(0, MOST_MARKS).map((line) => {
        const band = el("span", {class: kind});
        band.style.top = `${(line - 1) * this.#lineHeight}px`;
        return band;
      });
    show(this.marks, bands(changed, "is-changed"), bands(bad, "is-bad"));
    set(this.field, "aria-invalid", bad.length > 0 && "true");
  }

  /** Go to a line, counted from 1. */
  go(line) {
    const begin = this.text.split("\n").slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    this.field.focus({preventScroll: true});
    this.field.setSelectionRange(begin, begin);
    this.field.scrollTo(0, (line - 1) * this.#lineHeight - this.field.clientHeight / 3);
    this.node.scrollIntoView({block: "nearest"});
  }

  get #lineHeight() {
    return parseFloat(getComputedStyle(this.field).lineHeight);
  }

  #number() {
    const count = this.text.split("\n").length;
    if (count !== this.count) write(this.numbers, Array.from({length: count}, (_, place) => place + 1).join("\n"));
    this.count = count;
  }

  #key(event) {
    const {key, shiftKey} = event;
    if (key === "Escape") {
      this.#doesTabLeave = true;
      this.announce("Tab now leaves the field");
    }
    const isTab = key === "Tab" && !this.#doesTabLeave;
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || !(isTab || key === "Enter")) return;
    event.preventDefault();
    if (isTab) this.#indent(shiftKey);
    else this.#type(`\n${/^ */.exec(this.text.slice(this.#lineBegin))[0]}`);
  }

  get #lineBegin() {
    return this.text.lastIndexOf("\n", this.field.selectionStart - 1) + 1;
  }

  /** Move the lines of the selection, or the cursor, by a step. */
  #indent(isBack) {
    const {selectionStart: begin, selectionEnd: end} = this.field;
    if (!isBack && begin === end) return this.#type(STEP);
    const from = this.#lineBegin;
    const now = this.text.slice(from, end).replace(isBack ? /^ {1,2}/gm : /^(?=.)/gm, isBack ? "" : STEP);
    this.field.setSelectionRange(from, end);
    this.#type(now);
    return this.field.setSelectionRange(begin === end ? from + now.length : from, from + now.length);
  }

  /** Put a text in the place of the selection: as if typed, so that it can be undone, unless browsers take too long. */
  #type(text) {
    const {selectionStart: begin, selectionEnd: end} = this.field;
    const isShort = text.length + end - begin < MOST_TYPED;
    if (isShort && document.execCommand(text === "" ? "delete" : "insertText", false, text)) return;
    this.field.setRangeText(text, begin, end, "end");
    this.field.dispatchEvent(new Event("input"));
  }
}
