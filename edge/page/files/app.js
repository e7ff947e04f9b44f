/** The shell of the page: its routes, and the views that they lead to. */

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
let turn = 0;
let cleanup = null;

/** Have a screen reader say a text, also twice the same. */
function announce(text) {
  const region = document.getElementById("announcements");
  write(region, "");
  requestAnimationFrame(() => write(region, text));
}

function navigate(path) {
  location.hash = path.startsWith("#") ? path : `#/${path.replace(/^\/+/, "")}`;
}

/** Return what an address means: "#/machines/A%201?state=idle" is machines, "A 1", and its parameters. */
function route(address) {
  const [, path, argument = "", query = ""] = /^#?\/?([^/?]*)\/?([^?]*)\??(.*)$/s.exec(address);
  return {path, argument: decoded(argument) || null, query: new URLSearchParams(query)};
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone per cent sign, typed by hand
  }
}

async function go() {
  const mine = (turn += 1);
  const {path, argument, query} = route(location.hash);
  const entry = VIEWS.find((each) => each.path === path);
  leave();
  for (const link of document.querySelectorAll("#views a")) {
    set(link, "aria-current", entry && route(link.hash).path === path ? "page" : null);
  }
  const root = el("div", {class: "view"});
  show(main, root);
  try {
    if (!entry) throw new Error("There is no such view.");
    const {view} = await import(entry.file);
    if (mine !== turn) return;
    cleanup = view.mount(root, {live, api, navigate, announce, query}, argument);
  } catch (error) {
    if (mine !== turn) return;
    const again = el("button", {type: "button", on: {click: () => location.reload()}}, "Load the page again");
    const more = entry ? again : el("a", {href: "#/"}, "To the overview");
    show(root, el("div", {class: "notice bad", role: "alert"}, el("p", {}, entry ? `${entry.title} cannot be shown: ${error.message}` : error.message), el("p", {}, more)));
  }
  const heading = headed(root, entry?.title ?? "Not found");
  document.title = `${heading.textContent} – edgemqttsim`;
  if (mine > 1) heading.focus();
}

function leave() {
  try {
    cleanup?.();
  } catch (error) {
    console.error(error);
  }
  cleanup = null;
  live.watch();
}

/** Return the view's only h1; a view that has none gets one that screen readers find. */
function headed(root, title) {
  const found = root.querySelector("h1") ?? el("h1", {class: "visually-hidden"}, title);
  if (!found.isConnected) root.prepend(found);
  set(found, "tabindex", "-1");
  return found;
}

show(document.getElementById("views"), VIEWS.map(({path, title}) => el("li", {}, el("a", {href: `#/${path}`}, title))));
header(live, announce);
addEventListener("hashchange", go);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address stays the view's
  main.focus();
});
live.start();
go();
