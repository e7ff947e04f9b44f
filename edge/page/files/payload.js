// Payloads as people read them, a button that copies a text, and what else the views of traffic and plant share.
import {el, write} from "./dom.js";

const PARTS = /"(?:[^"\\]|\\.)*"?|[{[]\s*[}\]]|[{}[\],:]|\s+|[^"{}[\],:\s]+/gs;

/** Return JSON in lines, with numbers and texts exactly as they came, also where its end is missing; other text as it is. */
export function pretty(text) {
  if (!/^\s*[{[]/.test(text)) return text;
  let depth = 0;
  const line = (change) => `\n${"  ".repeat((depth = Math.max(0, depth + change)))}`;
  return text.replace(PARTS, (part) => {
    if (part === "{" || part === "[") return part + line(1);
    if (part === "}" || part === "]") return line(-1) + part;
    if (part === ",") return part + line(0);
    if (part === ":") return ": ";
    return /^["\S]/.test(part) ? part : "";
  });
}

/** Return a button that copies what `text` returns. announce: tells screen readers. */
export function copyButton(label, text, announce) {
  let timer = 0;
  const copy = async () => {
    const said = (await isCopied(text())) ? "Copied" : "The browser refuses to copy";
    write(copier, said);
    announce(said);
    clearTimeout(timer);
    timer = setTimeout(write, 2500, copier, label);
  };
  const copier = button(label, copy);
  return copier;
}

export function button(text, click, kind) {
  return el("button", {type: "button", class: kind, on: {click}}, text);
}

/** Return a text that scrolls in a box of its own. */
export function block(label, ...content) {
  return el("pre", {class: "block scroll", tabindex: "0", role: "region", "aria-label": label}, content);
}

/** Listen to events by name, until what is returned is called. */
export function listen(target, heard) {
  const all = Object.entries(heard);
  all.forEach((each) => target.addEventListener(...each));
  return () => all.forEach((each) => target.removeEventListener(...each));
}

async function isCopied(text) {
  try {
    await navigator.clipboard.writeText(text); // there on localhost and over HTTPS alone
    return true;
  } catch {
    const focused = document.activeElement;
    const field = el("textarea", {class: "visually-hidden", value: text});
    document.body.append(field);
    field.select();
    const isDone = document.execCommand("copy");
    field.remove();
    focused?.focus({preventScroll: true});
    return isDone;
  }
}
