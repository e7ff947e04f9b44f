/** A text field for YAML with line numbers, marks at lines, and keys for indenting that let the keyboard leave. */

import {el, set, show, write} from "./dom.js";

const STEP = "  ";
const MOST_MARKS = 300;

/** The field. onInput: called after each change.  announce: tells screen readers. */
export class Editor {
  #lines = 0;
  #doesTabLeave = true;

  constructor({label, onInput, announce}) {
    this.announce = announce;
    this.numbers = el("div", {class: "editor-numbers"});
    this.marks = el("div", {class: "editor-marks"});
    this.hint = el("p", {class: "hint small", id: "editor-hint"}, "While you type, Tab indents. Escape, then Tab, leaves the field.");
    this.field = el("textarea", {
      class: "editor-text", wrap: "off", rows: "8", "aria-label": label, "aria-describedby": "editor-hint", "aria-multiline": "true",
      spellcheck: "false", autocomplete: "off", autocapitalize: "off", autocorrect: "off",
      on: {
        input: () => {
          this.#doesTabLeave = false;
          this.#number();
          onInput();
        },
        scroll: () => this.#scroll(),
        keydown: (event) => this.#key(event),
        pointerdown: () => (this.#doesTabLeave = false),
        blur: () => (this.#doesTabLeave = true),
      },
    });
    const gutter = el("div", {class: "editor-gutter", "aria-hidden": "true"}, this.numbers);
    this.node = el("div", {class: "editor"}, gutter, el("div", {class: "editor-back", "aria-hidden": "true"}, this.marks), this.field);
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

  /** Mark lines, counted from 1: `bad` with mistakes, `changed` with edits. */
  mark(bad, changed) {
    const height = this.#lineHeight();
    const band = (line, kind) => {
      const node = el("span", {class: `editor-mark ${kind}`});
      node.style.top = `${(line - 1) * height}px`;
      return node;
    };
    show(this.marks, changed.slice(0, MOST_MARKS).map((line) => band(line, "is-changed")), bad.slice(0, MOST_MARKS).map((line) => band(line, "is-bad")));
    set(this.field, "aria-invalid", bad.length > 0 ? "true" : null);
  }

  /** Go to a line, counted from 1, and select it. */
  go(line) {
    const lines = this.text.split("\n");
    const begin = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    this.field.focus({preventScroll: true});
    this.field.setSelectionRange(begin, begin + (line > 1 ? (lines[line - 1] ?? "").length : 0));
    this.field.scrollTop = Math.max(0, (line - 1) * this.#lineHeight() - this.field.clientHeight / 3);
    this.field.scrollLeft = 0;
    this.node.scrollIntoView({block: "nearest"});
  }

  #lineHeight() {
    return parseFloat(getComputedStyle(this.field).lineHeight);
  }

  #number() {
    const count = this.text.split("\n").length;
    if (count === this.#lines) return;
    this.#lines = count;
    write(this.numbers, Array.from({length: count}, (_, place) => place + 1).join("\n"));
  }

  #scroll() {
    const shift = `translateY(${-this.field.scrollTop}px)`;
    this.numbers.style.transform = shift;
    this.marks.style.transform = shift;
  }

  #key(event) {
    if (event.key === "Escape") {
      this.#doesTabLeave = true;
      this.announce("Tab now leaves the field.");
    } else if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    } else if (event.key === "Tab" && !this.#doesTabLeave) {
      event.preventDefault();
      this.#indent(event.shiftKey);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const line = this.text.slice(this.text.lastIndexOf("\n", this.field.selectionStart - 1) + 1, this.field.selectionStart);
      this.#type(`\n${/^ */.exec(line)[0]}`);
    }
  }

  /** Move the lines of the selection, or the cursor, by a step. */
  #indent(isBack) {
    const {selectionStart: begin, selectionEnd: end} = this.field;
    if (!isBack && begin === end) {
      this.#type(STEP);
      return;
    }
    const from = this.text.lastIndexOf("\n", begin - 1) + 1;
    const old = this.text.slice(from, end);
    const now = old.split("\n").map((line) => (isBack ? line.replace(/^ {1,2}/, "") : line === "" ? line : STEP + line)).join("\n");
    this.field.setSelectionRange(from, end);
    this.#type(now);
    this.field.setSelectionRange(begin === end ? Math.max(from, begin + now.length - old.length) : from, from + now.length);
  }

  /** Put a text in the place of the selection, as if typed. */
  #type(text) {
    const isTyped = text === "" ? document.execCommand("delete") : document.execCommand("insertText", false, text);
    if (isTyped) return;
    this.field.setRangeText(text, this.field.selectionStart, this.field.selectionEnd, "end");
    this.field.dispatchEvent(new Event("input"));
  }
}
