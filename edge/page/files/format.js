/** Values as people read them: numbers with units, durations, and times in the plant's zone. Unknown is "–". */

export const NONE = "–";
const made = new Map();

/** A number with thousands apart. digits: after the point; without it, as many as three figures need. */
export function number(x, digits) {
  if (!known(x)) return NONE;
  const most = digits ?? (Number.isInteger(x) || Math.abs(x) >= 100 ? 0 : Math.abs(x) >= 10 ? 1 : 2);
  const parts = {signDisplay: "negative", minimumFractionDigits: digits ?? 0, maximumFractionDigits: most};
  return kept(`${digits} ${most}`, () => new Intl.NumberFormat("en", parts)).format(x);
}

/** A share from 0 to 1 in per cent; 0 and 100 are said only where they are exact. */
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
  if (s > 0 && s < 0.0995) return `${number(s * 1000, 0)} ms`;
  if (s < 10) return `${number(Number(s.toFixed(1)))} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  const [size, unit, smaller, rest] = whole < 3600 ? [60, "min", 1, "s"] : whole < 86400 ? [3600, "h", 60, "min"] : [86400, "d", 3600, "h"];
  const left = Math.floor((whole % size) / smaller);
  return `${Math.floor(whole / size)} ${unit}${left ? ` ${left} ${rest}` : ""}`;
}

export function rate(x) {
  return known(x) ? `${number(x)} msg/s` : NONE;
}

export function milliseconds(x) {
  return known(x) && x < 10000 ? `${number(x)} ms` : seconds(known(x) ? x / 1000 : null);
}

export function bytes(n) {
  if (!known(n)) return NONE;
  if (n < 1000) return `${number(n)} B`;
  const place = n < 999500 ? 1 : n < 999.5e6 ? 2 : 3;
  const amount = n / 1000 ** place;
  return `${number(amount, amount < 9.95 ? 1 : 0)} ${["kB", "MB", "GB"][place - 1]}`;
}

/** The time of day of a moment, ISO 8601 or milliseconds since 1970, in a zone. */
export function clock(at, zone) {
  return moment(at, zone, {hour: "2-digit", minute: "2-digit", second: "2-digit"});
}

export function day(at, zone) {
  return moment(at, zone, {weekday: "short", day: "numeric", month: "short", year: "numeric"});
}

/** How long a moment lies before another one. */
export function since(iso, nowIso) {
  const age = Math.max(0, (Date.parse(nowIso) - Date.parse(iso)) / 1000);
  if (!known(age)) return NONE;
  return age < 60 ? `${Math.round(age)} s` : age < 3600 ? `${Math.floor(age / 60)} min` : seconds(age);
}

/** A name as YAML has it, for reading: "planned_stop" is "planned stop". */
export function words(name) {
  return typeof name === "string" ? name.replaceAll("_", " ") : NONE;
}

export function count(n, one, many = `${one}s`) {
  return known(n) ? `${number(n)} ${n === 1 ? one : many}` : NONE;
}

function known(x) {
  return typeof x === "number" && Number.isFinite(x);
}

function kept(key, make) {
  if (!made.has(key)) made.set(key, make());
  return made.get(key);
}

function moment(at, zone, parts) {
  const ms = typeof at === "number" ? at : Date.parse(at ?? "");
  return known(ms) ? kept(`${zone} ${Object.keys(parts)}`, () => formatter(zone, parts)).format(ms) : NONE;
}

function formatter(zone, parts) {
  try {
    return new Intl.DateTimeFormat("en-GB", {...parts, hourCycle: "h23", timeZone: zone || "UTC"});
  } catch {
    return formatter("UTC", parts); // a zone that this browser does not know
  }
}
