/** The header: how the simulator is, in words, the plant's clock, the theme, and the token field. */

import {hasToken, setToken, whenTokenIsNeeded} from "./api.js";
import {set, write} from "./dom.js";
import {clock, day} from "./format.js";

const THEMES = [["", "Automatic"], ["light", "Light"], ["dark", "Dark"]];
const STATES = {ok: ["good", "Delivering"], degraded: ["warn", "Degraded"], failing: ["bad", "Failing"]};
const TOKEN = "the token of HTTP_TOKEN_FILE. It is kept in this page's memory only.";
const SENDABLE = /^[\x20-\x7e\xa0-\xff]+$/; // in a header
const byId = (id) => document.getElementById(id);

export function header(live, announce) {
  live.addEventListener("status", () => {
    status(live);
    announce(live.status === "lost" ? "Connection to the simulator lost. Reconnecting." : "Connected to the simulator.");
  });
  live.addEventListener("overview", ({detail}) => {
    if (detail.has("process")) status(live);
    if (detail.has("at")) time(live.overview);
  });
  themes();
  tokens(live, announce);
}

function status({status: stream, overview}) {
  const process = overview?.process;
  const isLost = stream === "lost";
  const [kind, name] = isLost ? ["bad", "Disconnected"] : (STATES[process?.status] ?? ["muted", "Connecting"]);
  set(byId("status"), "class", `status ${kind}`);
  write(byId("status-word"), name);
  write(byId("status-reason"), isLost ? "" : process?.reason);
  set(byId("status-reason"), "title", process?.reason);
  byId("banner").hidden = !isLost;
  document.body.classList.toggle("stale", isLost);
  write(byId("banner-text"), overview ? `What you see is of ${clock(overview.at, process.time_zone)}, plant time.` : "Nothing has been received yet.");
}

function time({at, process: {time_zone: zone}}) {
  const node = byId("clock");
  write(node, clock(at, zone));
  set(node, "datetime", at);
  set(node, "title", day(at, zone));
  write(byId("zone"), zone);
}

/** The theme follows the system until the button says otherwise; nothing of it is stored. */
function themes() {
  const button = byId("theme");
  let place = 0;
  const apply = () => {
    const [theme, name] = THEMES[place];
    set(document.documentElement, "data-theme", theme || null);
    const text = `Theme: ${name.toLowerCase()}`;
    write(byId("theme-name"), text);
  };
  button.addEventListener("click", () => {
    place = (place + 1) % THEMES.length;
    apply();
  });
  apply();
}

/** The token field: there where the simulator wants a token, and opened by a call that is refused without one. */
function tokens(live, announce) {
  const [button, form, field] = ["token-button", "token-form", "token"].map(byId);
  let before = null;
  const waiting = [];

  const named = () => {
    button.hidden = !(live.overview?.process.changes === "token" || hasToken() || !form.hidden);
    write(button, hasToken() ? "Token set" : "Enter token");
    byId("token-forget").hidden = !hasToken();
    set(button, "aria-expanded", String(!form.hidden));
  };
  const open = (why) => {
    if (form.hidden) before = document.activeElement;
    write(byId("token-why"), why);
    form.hidden = false;
    named();
    field.focus();
  };
  const close = (isGiven, text) => {
    form.hidden = true;
    field.value = "";
    named();
    (before?.isConnected ? before : button).focus();
    if (text) announce(text);
    waiting.splice(0).forEach((resolve) => resolve(isGiven));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim() === "") return;
    if (!SENDABLE.test(field.value)) return open("This has a character that no token has. Copy the token again.");
    setToken(field.value);
    return close(true, "Token kept until this page is closed.");
  });
  form.addEventListener("keydown", (event) => event.key === "Escape" && close(false));
  byId("token-cancel").addEventListener("click", () => close(false));
  byId("token-forget").addEventListener("click", () => {
    setToken("");
    close(false, "Token forgotten.");
  });
  button.addEventListener("click", () => (form.hidden ? open(`Changes need ${TOKEN}`) : close(false)));
  live.addEventListener("overview", ({detail}) => detail.has("process") && named());
  whenTokenIsNeeded(() => {
    const isWrong = hasToken();
    setToken("");
    open(isWrong ? "The simulator refused this token. Try another." : `This change needs ${TOKEN}`);
    return new Promise((resolve) => waiting.push(resolve));
  });
}
