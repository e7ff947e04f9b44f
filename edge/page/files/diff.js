// What differs between two texts, line by line: by their longest common subsequence.

const MOST_CELLS = 16e6; // beyond, all between the first and the last difference counts as replaced
const AROUND = 3;

/** Return the lines of both texts in order, each as [sign, line]: " " in both, "-" only before, "+" only after. */
export function difference(before, after) {
  const [old, now] = [before, after].map((text) => text.match(/[^\n]*\n|[^\n]+$/g) ?? []);
  let head = 0;
  let tail = 0;
  while (head < old.length && old[head] === now[head]) head++;
  while (tail < Math.min(old.length, now.length) - head && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  const same = (line) => [" ", line];
  const middle = edited(old.slice(head, old.length - tail), now.slice(head, now.length - tail));
  return [...old.slice(0, head).map(same), ...middle, ...old.slice(old.length - tail).map(same)];
}

function edited(old, now) {
  const width = now.length + 1;
  const isLong = old.length * now.length > MOST_CELLS;
  const common = new Uint16Array(isLong ? 0 : (old.length + 1) * width); // of what follows in both
  for (let x = isLong ? 0 : old.length; x-- > 0; ) {
    for (let y = now.length; y-- > 0; ) {
      const at = x * width + y;
      common[at] = old[x] === now[y] ? common[at + width + 1] + 1 : Math.max(common[at + width], common[at + 1]);
    }
  }
  const found = [];
  let y = 0;
  old.forEach((line, x) => {
    while (!isLong && y < now.length && line !== now[y] && common[x * width + y + 1] > common[(x + 1) * width + y]) found.push(["+", now[y++]]);
    found.push(!isLong && line === now[y] ? [" ", now[y++]] : ["-", line]);
  });
  return [...found, ...now.slice(y).map((line) => ["+", line])];
}

/** Return the lines of a unified diff, with which `patch` makes one text of the other; none where they are equal. */
export function unified(before, after, name) {
  const lines = difference(before, after);
  const changed = lines.flatMap(([sign], place) => (sign === " " ? [] : [place]));
  const found = changed.length === 0 ? [] : [`--- a/${name}`, `+++ b/${name}`];
  const count = (some, but) => some.filter(([sign]) => sign !== but).length;
  while (changed.length > 0) {
    const begin = Math.max(0, changed[0] - AROUND);
    let last = changed.shift();
    while (changed[0] - last <= 2 * AROUND) last = changed.shift();
    const hunk = lines.slice(begin, last + AROUND + 1);
    const [old, now] = ["+", "-"].map((but) => {
      const length = count(hunk, but);
      return `${count(lines.slice(0, begin), but) + (length && 1)},${length}`;
    });
    found.push(`@@ -${old} +${now} @@`);
    for (const [sign, line] of hunk) found.push(sign + line.replace(/\n$/, ""), ...(line.endsWith("\n") ? [] : ["\\ No newline at end of file"]));
  }
  return found;
}
