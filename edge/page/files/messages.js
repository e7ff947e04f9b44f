/** A list of messages, newest first. However many there are, only those in view are in the page, in rows that are used again. */

import {el, set, show, write} from "./dom.js";
import {bytes, clock} from "./format.js";

export const MOST_ROWS = 1000;
const SPARE = 2;
const PREVIEW = 240;
const COLUMNS = ["Time", "Topic", "Machine", "Category", "QoS", "Size", "Payload"];
const STEPS = {ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity};

/**
 * Show messages.
 * zone: returns the zone of times.  detail: returns what an opened message shows.
 * onHold: called with whether somebody reads: has opened a message, chosen one, or scrolled down.
 */
export class MessageList {
  rows = [];
  #slots = [];
  #open = null; // the opened message, and the one that the keyboard has chosen
  #active = null;
  #detailHeight = 0;
  #rowHeight = 0;
  #frame = 0;

  constructor({zone, detail, onHold}) {
    this.#settings = {zone, detail, onHold};
    const head = el("div", {role: "row", class: "message-head"}, COLUMNS.map((name) => el("span", {role: "columnheader"}, name)));
    this.#body = el("div", {role: "rowgroup", class: "message-body"});
    this.#grid = el(
      "div",
      {role: "treegrid", class: "message-grid", tabindex: "0", "aria-label": "Messages, newest first", on: {keydown: (event) => this.#key(event)}},
      el("div", {role: "rowgroup", class: "message-top"}, head),
      this.#body,
    );
    this.#detail = el("section", {class: "message-detail", "aria-label": "Message", hidden: true, on: {keydown: (event) => this.#keyInDetail(event)}});
    this.node = el("div", {class: "message-list", on: {scroll: () => this.#scrolled()}}, this.#grid, this.#detail);
    this.#sizes = new ResizeObserver(() => this.#measure());
    this.#sizes.observe(this.node);
    this.#sizes.observe(this.#detail);
  }

  #settings;
  #grid;
  #body;
  #detail;
  #sizes;

  /** Whether somebody reads: what comes meanwhile should wait. */
  get isHeld() {
    return this.#open !== null || this.#active !== null || this.node.scrollTop > this.#rowHeight;
  }

  /** Put messages before all others; the oldest beyond MOST_ROWS are dropped. They come newest last. */
  add(newest) {
    this.rows = [...newest.slice(-MOST_ROWS).reverse(), ...this.rows].slice(0, MOST_ROWS);
    this.#draw();
  }

  /** Keep only those messages for which `keep` is true. */
  filter(keep) {
    this.rows = this.rows.filter(keep);
    this.release();
  }

  /** Go back to the newest message, with none opened. */
  release() {
    this.#close();
    this.#active = null;
    this.node.scrollTop = 0;
    this.#draw();
  }

  /** Let go of everything. */
  end() {
    this.#sizes.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  #scrolled() {
    this.#draw();
    this.#settings.onHold(this.isHeld);
  }

  #measure() {
    const height = this.#detail.hidden ? 0 : this.#detail.offsetHeight;
    const rowHeight = this.#slots[0]?.node.offsetHeight ?? 0;
    if (height === this.#detailHeight && rowHeight === this.#rowHeight && this.#slots.length > 0 && this.#fits()) return;
    this.#detailHeight = height;
    this.#rowHeight = rowHeight;
    this.#draw();
  }

  #fits() {
    return this.#slots.length >= Math.min(this.rows.length, Math.ceil(this.node.clientHeight / this.#rowHeight));
  }

  #draw() {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#drawNow());
  }

  #drawNow() {
    this.#frame = 0;
    if (this.#slots.length === 0 && this.rows.length > 0) this.#slots.push(this.#slot(0));
    this.#rowHeight ||= this.#slots[0]?.node.offsetHeight ?? 0;
    const {first, count} = this.#window();
    while (this.#slots.length < count) this.#slots.push(this.#slot(this.#slots.length));
    this.#slots.forEach((slot, place) => this.#fill(slot, place < count ? first + place : -1));
    const place = this.rows.indexOf(this.#open);
    this.#body.style.height = `${this.rows.length * this.#rowHeight + this.#detailHeight}px`;
    if (place >= 0) this.#detail.style.transform = `translateY(${this.#body.offsetTop + (place + 1) * this.#rowHeight}px)`;
    set(this.#grid, "aria-rowcount", this.rows.length + 1);
    const active = this.#slots.find((slot) => slot.row !== null && slot.row === this.#active);
    set(this.#grid, "aria-activedescendant", active?.node.id ?? null);
  }

  /** Return which rows are in view. */
  #window() {
    if (this.#rowHeight === 0) return {first: 0, count: 0};
    const place = this.rows.indexOf(this.#open);
    const above = this.node.scrollTop;
    const hidden = place < 0 ? 0 : Math.max(0, Math.min(this.#detailHeight, above - (place + 1) * this.#rowHeight));
    const first = Math.max(0, Math.floor((above - hidden) / this.#rowHeight) - SPARE);
    const most = Math.ceil(this.node.clientHeight / this.#rowHeight) + 2 * SPARE;
    return {first, count: Math.max(0, Math.min(most, this.rows.length - first))};
  }

  #slot(place) {
    const cells = COLUMNS.map((name) => el("span", {role: "gridcell", class: `message-${name.toLowerCase()}`}));
    const node = el("div", {role: "row", class: "message-row", id: `message-row-${place}`}, cells);
    const slot = {node, cells, row: null};
    node.addEventListener("click", () => slot.row !== null && this.#toggle(slot.row));
    this.#body.append(node);
    return slot;
  }

  #fill(slot, index) {
    const row = this.rows[index] ?? null;
    slot.node.hidden = row === null;
    if (row !== null && row !== slot.row) {
      const [time, topic, machine, category, qos, size, payload] = slot.cells;
      write(time, `${clock(row.at, this.#settings.zone())}${row.at.slice(19, 23)}`);
      write(topic, row.topic);
      write(machine, row.machine_id ?? "");
      write(category, row.category);
      show(qos, `QoS ${row.qos}`, row.retain ? el("span", {class: "badge"}, "retained") : null);
      show(size, bytes(row.bytes), row.cut ? el("span", {class: "badge"}, "cut") : null);
      write(payload, row.payload.slice(0, PREVIEW));
    }
    slot.row = row;
    if (row === null) return;
    const place = this.rows.indexOf(this.#open);
    const below = place >= 0 && index > place ? this.#detailHeight : 0;
    slot.node.style.transform = `translateY(${index * this.#rowHeight + below}px)`;
    set(slot.node, "aria-rowindex", index + 2);
    set(slot.node, "aria-expanded", String(row === this.#open));
    slot.node.classList.toggle("is-active", row === this.#active);
  }

  #toggle(row) {
    const isOpen = this.#open === row;
    this.#active = row;
    this.#close();
    if (!isOpen) {
      this.#open = row;
      this.#detail.hidden = false;
      show(this.#detail, this.#settings.detail(row, () => this.#toggle(row)));
      this.#detailHeight = this.#detail.offsetHeight;
    }
    this.#grid.focus({preventScroll: true});
    this.#drawNow();
    this.#settings.onHold(true);
  }

  #close() {
    this.#open = null;
    this.#detail.hidden = true;
    this.#detailHeight = 0;
    show(this.#detail);
  }

  #key(event) {
    const index = this.rows.indexOf(this.#active);
    if (event.key in STEPS && this.rows.length > 0) {
      const wanted = index < 0 && STEPS[event.key] > 0 ? 0 : index + STEPS[event.key];
      this.#choose(Math.max(0, Math.min(this.rows.length - 1, wanted)));
    } else if (index >= 0 && (event.key === "Enter" || event.key === " ")) {
      this.#toggle(this.#active);
    } else if (index >= 0 && event.key === "ArrowRight" && this.#open !== this.#active) {
      this.#toggle(this.#active);
    } else if ((event.key === "Escape" || event.key === "ArrowLeft") && this.#open !== null) {
      this.#toggle(this.#open);
    } else if (event.key === "Escape" && index >= 0) {
      this.release();
      this.#settings.onHold(false);
    } else return;
    event.preventDefault();
  }

  #keyInDetail(event) {
    if (event.key !== "Escape") return;
    event.preventDefault();
    this.#toggle(this.#open);
  }

  #choose(index) {
    this.#active = this.rows[index];
    const place = this.rows.indexOf(this.#open);
    const top = index * this.#rowHeight + (place >= 0 && index > place ? this.#detailHeight : 0);
    const room = this.node.clientHeight - this.#body.offsetTop - this.#rowHeight;
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (top > this.node.scrollTop + room) this.node.scrollTop = top - room;
    this.#drawNow();
    this.#settings.onHold(true);
  }
}
