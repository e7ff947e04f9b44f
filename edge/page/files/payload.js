/** Payloads and texts as people read and take them: JSON in lines, and a button that copies. */

import {el, write} from "./dom.js";

const SPACE = /\s/;

/** Return JSON in lines, its numbers and texts exactly as they came; any other text as it is. isCut: the end is missing. */
export function pretty(text, isCut = false) {
  if (!isCut && !isJson(text)) return text;
  if (isCut && !/^\s*[[{]/.test(text)) return text;
  let out = "";
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (sign === '"') {
      const end = endOfText(text, at);
      out += text.slice(at, end);
      at = end - 1;
    } else if (sign === "{" || sign === "[") {
      const next = nextSign(text, at + 1);
      if (text[next] === "}" || text[next] === "]") {
        out += sign + text[next];
        at = next;
      } else {
        depth++;
        out += sign + line();
      }
    } else if (sign === "}" || sign === "]") {
      depth = Math.max(0, depth - 1);
      out += line() + sign;
    } else if (sign === ",") out += sign + line();
    else if (sign === ":") out += ": ";
    else if (!SPACE.test(sign)) out += sign;
  }
  return out;
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function endOfText(text, begin) {
  for (let at = begin + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

function nextSign(text, from) {
  while (from < text.length && SPACE.test(text[from])) from++;
  return from;
}

/** Return a button that copies a text. text: returns it.  announce: tells screen readers. */
export function copyButton(label, text, announce) {
  const button = el("button", {type: "button", on: {click: copy}}, label);
  let timer = 0;
  async function copy() {
    const isCopied = await copied(text());
    write(button, isCopied ? "Copied" : "Not permitted by the browser");
    announce(isCopied ? "Copied." : "The browser does not permit copying.");
    clearTimeout(timer);
    timer = setTimeout(() => write(button, label), 2500);
  }
  return button;
}

/** Copy a text. The newer way is there only on localhost and over HTTPS. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const field = el("textarea", {class: "visually-hidden", "aria-hidden": "true", tabindex: "-1", value: text});
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    focused?.focus({preventScroll: true});
    return isCopied;
  }
}
