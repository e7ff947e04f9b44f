/** Values as people read them: numbers with units, durations, and times in the plant's zone. Unknown is "–". */

export const NONE = "–";
const numbers = new Map();
const clocks = new Map();

/** A number with thousands apart. digits: after the point; without it, as many as three figures need. */
export function number(x, digits) {
  if (!known(x)) return NONE;
  const least = digits ?? 0;
  const most = digits ?? (Number.isInteger(x) || Math.abs(x) >= 100 ? 0 : Math.abs(x) >= 10 ? 1 : 2);
  const key = `${least} ${most}`;
  if (!numbers.has(key)) {
    numbers.set(key, new Intl.NumberFormat("en", {minimumFractionDigits: least, maximumFractionDigits: most}));
  }
  return numbers.get(key).format(x);
}

/** A share from 0 to 1 in per cent. */
export function percent(share, digits = 1) {
  if (!known(share)) return NONE;
  const least = 10 ** -digits;
  if (share > 0 && share * 100 < least / 2) return `< ${number(least, digits)} %`;
  if (share < 1 && share * 100 > 100 - least / 2) return `> ${number(100 - least, digits)} %`;
  return `${number(share * 100, share === 0 || share === 1 ? 0 : digits)} %`;
}

/** A duration, by its two largest units. */
export function seconds(s) {
  if (!known(s)) return NONE;
  if (s < 0) return `−${seconds(-s)}`;
  if (s < 1) return s === 0 ? "0 s" : s < 0.0995 ? `${number(s * 1000, 0)} ms` : `${number(s)} s`;
  if (s < 10) return `${Number(s.toFixed(1))} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(whole, 60, "min", 1, "s");
  return whole < 86400 ? two(whole, 3600, "h", 60, "min") : two(whole, 86400, "d", 3600, "h");
}

/** Messages a second. */
export function rate(x) {
  return known(x) ? `${number(x)} msg/s` : NONE;
}

/** A duration in milliseconds. */
export function milliseconds(x) {
  if (!known(x)) return NONE;
  return x >= 10000 ? seconds(x / 1000) : `${number(x)} ms`;
}

/** Bytes, in decimal units. */
export function bytes(n) {
  if (!known(n)) return NONE;
  if (n < 1000) return `${number(n)} B`;
  for (const unit of ["kB", "MB", "GB"]) {
    n /= 1000;
    if (n < 999.5 || unit === "GB") return `${number(n, n < 9.95 ? 1 : 0)} ${unit}`;
  }
}

/** The time of day of a moment in a zone. */
export function clock(iso, zone) {
  return formatted(iso, zone, "clock", {hour: "2-digit", minute: "2-digit", second: "2-digit"});
}

/** The day of a moment in a zone. */
export function day(iso, zone) {
  return formatted(iso, zone, "day", {weekday: "short", day: "numeric", month: "short", year: "numeric"});
}

/** How long a moment lies before another one, by its largest units. */
export function since(iso, nowIso) {
  const age = (Date.parse(nowIso) - Date.parse(iso)) / 1000;
  if (!known(age)) return NONE;
  const whole = Math.max(0, Math.round(age));
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.floor(whole / 60)} min` : seconds(whole);
}

/** A name as YAML has it, for reading: "planned_stop" is "planned stop". */
export function words(name) {
  return typeof name === "string" ? name.replaceAll("_", " ") : NONE;
}

/** "1 fault", "3 faults". */
export function count(n, one, many = `${one}s`) {
  return known(n) ? `${number(n)} ${n === 1 ? one : many}` : NONE;
}

function known(x) {
  return typeof x === "number" && Number.isFinite(x);
}

function two(whole, size, unit, smaller, rest) {
  const left = Math.floor((whole % size) / smaller);
  return left === 0 ? `${Math.floor(whole / size)} ${unit}` : `${Math.floor(whole / size)} ${unit} ${left} ${rest}`;
}

function formatted(iso, zone, kind, parts) {
  const at = typeof iso === "number" ? iso : Date.parse(iso ?? "");
  if (!known(at)) return NONE;
  const key = `${kind} ${zone}`;
  if (!clocks.has(key)) clocks.set(key, formatter(zone, parts));
  return clocks.get(key).format(at);
}

function formatter(zone, parts) {
  try {
    return new Intl.DateTimeFormat("en-GB", {...parts, hourCycle: "h23", timeZone: zone || "UTC"});
  } catch {
    return new Intl.DateTimeFormat("en-GB", {...parts, hourCycle: "h23", timeZone: "UTC"}); // a zone the browser lacks
  }
}
