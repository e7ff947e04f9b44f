/** The event stream of the page: one snapshot, then what has changed. Everything that is shown live comes from here. */

import {address, errorOf} from "./api.js";

const POINTS = 180;
const SILENCE_MS = 40000; // there is a heartbeat each 15 s
const PAUSES_MS = [500, 1000, 2000, 4000];

/** The newest state of the plant. Its events: overview, tiles, history, machine, traffic, wire, status, refused. */
export class Live extends EventTarget {
  overview = null;
  history = null;
  wire = null;
  status = "connecting";
  #watched = {machine: null, traffic: null};
  #reader = null;
  #failures = 0;
  #timer = 0;
  #query = null;

  /** Open the stream. */
  start() {
    addEventListener("online", () => this.status === "lost" && this.#open());
    this.#open();
  }

  /**
   * Choose what else the stream brings: a machine's id, and filters of traffic; null for none.
   * Where the simulator refuses them, the event `refused` has the ApiError, and the stream goes on without.
   */
  watch({machine = null, traffic = null} = {}) {
    this.#watched = {machine, traffic};
    queueMicrotask(() => this.#reader !== null && this.#asked() !== this.#query && this.#open());
  }

  #asked() {
    const asked = new URLSearchParams();
    const {machine, traffic} = this.#watched;
    if (machine) asked.set("machine", machine);
    if (traffic) asked.set("traffic", "true");
    for (const [name, value] of Object.entries(traffic ?? {})) {
      if (value !== null && value !== undefined && value !== "") asked.set(name, String(value));
    }
    return asked.toString();
  }

  async #open() {
    clearTimeout(this.#timer);
    this.#reader?.abort();
    const reader = new AbortController();
    this.#reader = reader;
    this.#query = this.#asked();
    let error = null;
    try {
      error = await this.#read(reader);
    } catch {
      // cut off, or no answer: tried again below
    }
    if (this.#reader !== reader) return;
    if (error !== null && this.#query !== "" && error.status >= 400 && error.status < 500) {
      this.#watched = {machine: null, traffic: null};
      this.dispatchEvent(new CustomEvent("refused", {detail: error}));
      this.#open();
      return;
    }
    this.#set("lost");
    const pause = PAUSES_MS[Math.min(this.#failures++, PAUSES_MS.length - 1)];
    this.#timer = setTimeout(() => this.#open(), pause * (0.75 + Math.random() / 2));
  }

  /** Read until the stream ends. Returns the error with which it was refused, or null. */
  async #read(reader) {
    const query = this.#query === "" ? "" : `?${this.#query}`;
    const patience = new Patience(() => reader.abort());
    try {
      const answer = await fetch(address(`/api/v1/stream${query}`), {
        headers: {Accept: "text/event-stream"}, credentials: "omit", cache: "no-store", signal: reader.signal,
      });
      if (!answer.ok) return await errorOf(answer);
      const texts = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const {value, done} = await texts.read();
        if (done || this.#reader !== reader) return null;
        patience.renew();
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        blocks.forEach((block) => this.#take(block));
      }
    } finally {
      patience.end();
    }
  }

  #take(block) {
    let name = "message";
    let data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) data += line.slice(5);
    }
    if (data !== "") this.#merge(name, JSON.parse(data));
  }

  #merge(name, data) {
    if (name === "snapshot") {
      this.overview = data.overview;
      this.history = data.history;
      this.#failures = 0;
      this.dispatchEvent(new CustomEvent("overview", {detail: new Set(Object.keys(data.overview))}));
      this.dispatchEvent(new CustomEvent("history", {detail: data.history}));
      this.#set("live");
    } else if (name === "overview" && this.overview) {
      Object.assign(this.overview, data);
      this.dispatchEvent(new CustomEvent(name, {detail: new Set(Object.keys(data))}));
    } else if (name === "tiles" && this.overview?.tiles) {
      for (const [index, row] of data) this.overview.tiles[index] = row;
      this.dispatchEvent(new CustomEvent(name, {detail: data}));
    } else if (name === "history" && this.history) {
      for (const [key, value] of Object.entries(data)) append(this.history[key], value);
      this.dispatchEvent(new CustomEvent(name, {detail: data}));
    } else if (name === "machine" || name === "traffic" || name === "wire") {
      if (name === "wire") this.wire = data;
      this.dispatchEvent(new CustomEvent(name, {detail: data}));
    }
  }

  #set(status) {
    if (this.status === status) return;
    this.status = status;
    this.dispatchEvent(new CustomEvent("status", {detail: status}));
  }
}

/** Gives up on a stream from which nothing has come for a while, heartbeats included. */
class Patience {
  #timer = 0;
  #end;

  constructor(end) {
    this.#end = end;
    this.renew();
  }

  renew() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#end, SILENCE_MS);
  }

  end() {
    clearTimeout(this.#timer);
  }
}

function append(values, value) {
  if (!Array.isArray(values)) return;
  values.push(value);
  if (values.length > POINTS) values.splice(0, values.length - POINTS);
}
