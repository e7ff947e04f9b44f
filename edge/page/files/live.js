/** The event stream of the page: one snapshot, then what has changed. Everything that is shown live comes from here. */

import {address, errorOf} from "./api.js";

const POINTS = 180;
const SILENCE_MS = 40000; // there is a heartbeat each 15 s
const BUSY_MS = 5000; // what nobody asks for ends within
const PAUSES_MS = [500, 1000, 2000, 4000];

/** The newest state of the plant. Its events: overview, tiles, history, machine, traffic, wire, status, refused. */
export class Live extends EventTarget {
  overview = null;
  history = null;
  wire = null;
  status = "connecting";
  #watched = {};
  #query = "";
  #reader = null;
  #failures = 0;
  #timer = 0;
  #again = 0;

  start() {
    addEventListener("online", () => this.status === "lost" && this.#open());
    this.#open();
  }

  /**
   * Choose what else the stream brings: a machine's id, and filters of traffic; null for none.
   * Where the simulator refuses them, the event `refused` has the ApiError, and the stream goes on without; where it is
   * busy with what others ask, it is asked again.
   */
  watch(watched = {}) {
    clearTimeout(this.#again);
    this.#watched = watched;
    queueMicrotask(() => this.#reader && this.#asked() !== this.#query && this.#open());
  }

  #asked() {
    const {machine, traffic} = this.#watched;
    const asked = {machine, ...(traffic && {traffic: true, ...traffic})};
    return new URLSearchParams(Object.entries(asked).filter(([, value]) => (value ?? "") !== "")).toString();
  }

  async #open() {
    clearTimeout(this.#timer);
    this.#reader?.abort();
    const reader = (this.#reader = new AbortController());
    this.#query = this.#asked();
    const error = await this.#read(reader).catch(() => null); // cut off, or no answer: tried again below
    if (this.#reader !== reader) return;
    const isBusy = error?.status === 503;
    if (error && this.#query && error.status >= 400 && (error.status < 500 || isBusy)) {
      const watched = this.#watched;
      this.#watched = {};
      if (isBusy) this.#again = setTimeout(() => this.watch(watched), BUSY_MS);
      this.#tell("refused", error);
      return this.#open();
    }
    this.#set("lost");
    const pause = PAUSES_MS[Math.min(this.#failures++, PAUSES_MS.length - 1)];
    this.#timer = setTimeout(() => this.#open(), pause * (0.75 + Math.random() / 2));
  }

  /** Read until the stream ends. Returns the error with which it was refused, or null. */
  async #read(reader) {
    let patience = 0;
    const renew = () => {
      clearTimeout(patience);
      patience = setTimeout(() => reader.abort(), SILENCE_MS);
    };
    try {
      renew();
      const path = `/api/v1/stream${this.#query && `?${this.#query}`}`;
      const answer = await fetch(address(path), {credentials: "omit", cache: "no-store", signal: reader.signal});
      if (!answer.ok) return await errorOf(answer);
      const texts = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const {value, done} = await texts.read();
        if (done || this.#reader !== reader) return null;
        renew();
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        blocks.forEach((block) => this.#take(block));
      }
    } finally {
      clearTimeout(patience);
    }
  }

  #take(block) {
    const [, name] = /^event: ?(.+)$/m.exec(block) ?? [];
    const [, data] = /^data: ?(.+)$/m.exec(block) ?? [];
    if (data) this.#merge(name, JSON.parse(data));
  }

  #merge(name, data) {
    if (name === "snapshot") {
      Object.assign(this, data);
      this.#failures = 0;
      this.#set("live");
      this.#tell("overview", new Set(Object.keys(data.overview)));
      this.#tell("history", data.history);
    } else if (name === "overview") {
      Object.assign(this.overview, data);
      this.#tell(name, new Set(Object.keys(data)));
    } else {
      if (name === "tiles" && this.overview.tiles) data.forEach(([place, row]) => (this.overview.tiles[place] = row));
      if (name === "history") Object.entries(data).forEach(([key, value]) => this.history[key].push(value) > POINTS && this.history[key].shift());
      if (name === "wire") this.wire = data;
      this.#tell(name, data);
    }
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, {detail}));
  }

  #set(status) {
    if (this.status === status) return;
    this.status = status;
    this.#tell("status", status);
  }
}
