/** The header: how the simulator is, in words, the plant's clock, the theme, and the token field. */

import {hasToken, setToken, whenTokenIsNeeded} from "./api.js";
import {set, write} from "./dom.js";
import {clock, day} from "./format.js";

const THEMES = {"": "Automatic", light: "Light", dark: "Dark"};
const STATES = {ok: ["good", "Delivering"], degraded: ["warn", "Degraded"], failing: ["bad", "Failing"]};
const byId = (id) => document.getElementById(id);

/** Bring the header to life. */
export function header(live, announce) {
  const status = () => showStatus(live);
  live.addEventListener("status", () => {
    status();
    if (live.status === "lost") announce("Connection to the simulator lost. Reconnecting.");
    if (live.status === "live") announce("Connected to the simulator.");
  });
  live.addEventListener("overview", ({detail}) => {
    if (detail.has("process")) status();
    if (detail.has("at") || detail.has("process")) showClock(live.overview);
  });
  status();
  themes();
  tokens(live, announce);
}

function showStatus(live) {
  const process = live.overview?.process;
  const isLost = live.status === "lost";
  const [kind, name] = isLost ? ["bad", "Disconnected"] : process ? (STATES[process.status] ?? ["muted", process.status]) : ["muted", "Connecting"];
  set(byId("status"), "class", `status ${kind}`);
  write(byId("status-word"), name);
  write(byId("status-reason"), isLost ? "" : (process?.reason ?? ""));
  byId("banner").hidden = !isLost;
  document.body.classList.toggle("stale", isLost);
  const at = live.overview;
  write(byId("banner-text"), at ? `What you see is of ${clock(at.at, at.process.time_zone)}, plant time.` : "Nothing has been received yet.");
}

function showClock({at, process}) {
  const node = byId("clock");
  write(node, clock(at, process.time_zone));
  set(node, "datetime", at);
  set(node, "title", day(at, process.time_zone));
  write(byId("zone"), process.time_zone);
}

/** The theme follows the system until the button says otherwise; nothing of it is stored. */
function themes() {
  const button = byId("theme");
  const names = Object.keys(THEMES);
  const apply = (theme) => {
    set(document.documentElement, "data-theme", theme || null);
    set(button, "aria-label", `Theme: ${THEMES[theme].toLowerCase()}`);
    set(button, "title", `Theme: ${THEMES[theme].toLowerCase()}`);
    write(byId("theme-name"), THEMES[theme]);
  };
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? "";
    apply(names[(names.indexOf(now) + 1) % names.length]);
  });
  apply("");
}

/** The token field: there where the simulator wants a token, and opened by a call that is refused without one. */
function tokens(live, announce) {
  const [button, form, field, why] = ["token-button", "token-form", "token", "token-why"].map(byId);
  let before = null;
  let waiting = [];

  const named = () => {
    const wanted = live.overview?.process.changes === "token" || hasToken() || !form.hidden;
    button.hidden = !wanted;
    write(button, hasToken() ? "Token set" : "Enter token");
    byId("token-forget").hidden = !hasToken();
  };
  const open = (reason) => {
    if (form.hidden) before = document.activeElement;
    write(why, reason ?? "Changes need the token of HTTP_TOKEN_FILE. It is kept in this page's memory only.");
    form.hidden = false;
    set(button, "aria-expanded", "true");
    named();
    field.focus();
  };
  const close = (given) => {
    form.hidden = true;
    field.value = "";
    set(button, "aria-expanded", "false");
    named();
    (before?.isConnected ? before : button).focus();
    const asked = waiting;
    waiting = [];
    asked.forEach((resolve) => resolve(given));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim() === "") return;
    setToken(field.value);
    close(true);
    announce("Token kept until this page is closed.");
  });
  form.addEventListener("keydown", (event) => event.key === "Escape" && close(false));
  byId("token-cancel").addEventListener("click", () => close(false));
  byId("token-forget").addEventListener("click", () => {
    setToken("");
    close(false);
    announce("Token forgotten.");
  });
  button.addEventListener("click", () => (form.hidden ? open() : close(false)));
  live.addEventListener("overview", ({detail}) => detail.has("process") && named());
  whenTokenIsNeeded(() => {
    const isWrong = hasToken();
    setToken("");
    open(isWrong ? "The simulator refused this token. Try another." : "This change needs the token of HTTP_TOKEN_FILE. It is kept in this page's memory only.");
    return new Promise((resolve) => waiting.push(resolve));
  });
}
