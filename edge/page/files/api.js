/** Calls of the control API. A token is kept in this module's memory, and nowhere else. */

const ROOT = new URL("../", import.meta.url);
let token = "";
let askForToken = null;

/** An answer that is no success, as problem details (RFC 9457). status: 0 where there was no answer. */
export class ApiError extends Error {
  constructor(status, title, detail = title, errors = []) {
    super(detail);
    Object.assign(this, {name: "ApiError", status, title, detail, errors});
  }
}

/** Return the address of a call, also where a proxy serves the page below a path of its own. */
export function address(path) {
  return new URL(path.replace(/^\/+/, ""), ROOT);
}

export async function get(path) {
  return (await answered("GET", path, {})).json();
}

export async function getText(path) {
  return (await answered("GET", path, {})).text();
}

/** Send a body: an object as JSON, or a text. Returns the answer: JSON as an object, anything else as text. */
export async function send(method, path, body, contentType, headers = {}) {
  const isText = typeof body === "string";
  const type = {"Content-Type": contentType ?? (isText ? "text/plain; charset=utf-8" : "application/json")};
  const content = isText ? body : JSON.stringify(body);
  const answer = await answered(method, path, {headers: content === undefined ? headers : {...type, ...headers}, body: content});
  return (answer.headers.get("Content-Type") ?? "").includes("json") ? answer.json() : answer.text();
}

/** Execute a command, once, however often a request with this key is sent. Returns {at, answer}. */
export async function command(body, key = newKey()) {
  return send("POST", "/api/v1/commands", body, "application/json", {"Idempotency-Key": key});
}

export function newKey() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** Set the bearer token; an empty text forgets it. */
export function setToken(text) {
  token = text.trim();
}

export function hasToken() {
  return token !== "";
}

/** Set who asks for a token where a call is refused without: a function that resolves to whether one was given. */
export function whenTokenIsNeeded(ask) {
  askForToken = ask;
}

/** Return the error that an answer is: its problem details, or the text of a proxy perhaps. */
export async function errorOf(answer) {
  const text = await answer.text().catch(() => "");
  let found = {};
  try {
    found = Object(JSON.parse(text));
  } catch {
    found = {detail: text.slice(0, 300).trim() || undefined};
  }
  const errors = Array.isArray(found.errors) ? found.errors.map(placed) : [];
  return new ApiError(answer.status, found.title ?? (answer.statusText || `HTTP ${answer.status}`), found.detail, errors);
}

function placed(error) {
  return {...error, path: error.path ?? error.pointer ?? error.parameter ?? null, detail: error.detail ?? error.rule ?? ""};
}

async function answered(method, path, options) {
  for (;;) {
    const used = token;
    const answer = await fetched(method, path, options);
    if (answer.ok) return answer;
    const error = await errorOf(answer);
    if (answer.status !== 401 || askForToken === null) throw error;
    if (token === used && !(await askForToken())) throw error;
  }
}

async function fetched(method, path, options) {
  const headers = {Accept: "application/json, */*;q=0.5", ...options.headers};
  if (token !== "" && method !== "GET") headers.Authorization = `Bearer ${token}`;
  try {
    return await fetch(address(path), {...options, method, headers, credentials: "omit", cache: "no-store"});
  } catch {
    throw new ApiError(0, "No answer", "The simulator does not answer. It may have ended, or the network is down.");
  }
}
