/** The shell of the page: routes, header, the state of the stream, and the token field. */

import * as api from "./api.js";
import {el, set, show, write} from "./dom.js";
import {header} from "./header.js";
import {Live} from "./live.js";

const VIEWS = [
  {path: "", title: "Overview", file: "./overview.js"},
  {path: "machines", title: "Machines", file: "./machine.js"},
  {path: "control", title: "Control", file: "./control.js"},
  {path: "traffic", title: "Traffic", file: "./traffic.js"},
  {path: "plant", title: "Plant", file: "./plant.js"},
  {path: "guide", title: "Guide", file: "./guide.js"},
];
const main = document.getElementById("main");
const live = new Live();
const shown = {hash: null, cleanup: null, turn: 0};

function announce(text) {
  const region = document.getElementById("announcements");
  write(region, "");
  requestAnimationFrame(() => write(region, text));
}

function navigate(path) {
  location.hash = path.startsWith("#") ? path : `#/${path.replace(/^\/+/, "")}`;
}

/** Return what an address of the page means: "#/machines/A%201?state=idle" is machines, "A 1", and its parameters. */
function route(hash) {
  const [place, query = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const [path, ...rest] = place.split("/");
  return {path, argument: rest.length === 0 || rest[0] === "" ? null : decoded(rest.join("/")), query: new URLSearchParams(query)};
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone per cent sign, typed by hand
  }
}

async function go() {
  const hash = location.hash;
  if (hash === shown.hash) return;
  const isFirst = shown.hash === null;
  const {path, argument, query} = route(hash);
  const entry = VIEWS.find((each) => each.path === path);
  const turn = ++shown.turn;
  shown.hash = hash;
  leave();
  mark(entry);
  const root = el("div", {class: "view"});
  show(main, root);
  await mount(root, entry, {live, api, navigate, announce, query}, argument, turn);
  if (turn !== shown.turn) return;
  const heading = headed(root, entry);
  document.title = `${heading.textContent} – edgemqttsim`;
  if (!isFirst) heading.focus();
}

function leave() {
  try {
    shown.cleanup?.();
  } catch (error) {
    console.error(error);
  }
  shown.cleanup = null;
  live.watch();
}

async function mount(root, entry, context, argument, turn) {
  if (!entry) {
    show(root, notice("There is no such view.", el("a", {href: "#/"}, "To the overview")));
    return;
  }
  set(main, "aria-busy", "true");
  try {
    const {view} = await import(entry.file);
    if (turn === shown.turn) shown.cleanup = view.mount(root, context, argument) ?? null;
  } catch (error) {
    console.warn(error);
    if (turn === shown.turn) show(root, notice(`${entry.title} cannot be shown: ${error.message}`, again()));
  }
  if (turn === shown.turn) set(main, "aria-busy", null);
}

/** Return the view's only h1; a view that has none gets one that screen readers find. */
function headed(root, entry) {
  const found = root.querySelector("h1") ?? el("h1", {class: "visually-hidden"}, entry?.title ?? "Not found");
  if (!found.isConnected) root.prepend(found);
  set(found, "tabindex", "-1");
  return found;
}

function mark(entry) {
  for (const link of document.querySelectorAll("#views a")) {
    set(link, "aria-current", route(link.hash).path === entry?.path ? "page" : null);
  }
}

function notice(text, more) {
  return el("div", {class: "notice bad", role: "alert"}, el("p", {}, text), el("p", {}, more));
}

function again() {
  return el("button", {type: "button", on: {click: () => location.reload()}}, "Load the page again");
}

show(
  document.getElementById("views"),
  VIEWS.map(({path, title}) => el("li", {}, el("a", {href: `#/${path}`}, title))),
);
header(live, announce);
addEventListener("hashchange", go);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
live.start();
go();
