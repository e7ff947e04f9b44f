/** What differs between two texts, line by line (E. Myers, An O(ND) Difference Algorithm, 1986). */

const MOST_EDITS = 1000; // beyond, all between the first and the last difference counts as replaced
const AROUND = 3;

/** Return the lines of both texts in order, each as [sign, line]: " " in both, "-" only before, "+" only after. */
export function difference(before, after) {
  const old = linesOf(before);
  const now = linesOf(after);
  let head = 0;
  let tail = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head++;
  while (tail < old.length - head && tail < now.length - head && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  const same = (line) => [" ", line];
  const between = edited(old.slice(head, old.length - tail), now.slice(head, now.length - tail));
  return [...old.slice(0, head).map(same), ...between, ...old.slice(old.length - tail).map(same)];
}

/** Return the lines of a text, each with its end; the last one may have none. */
function linesOf(text) {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function edited(old, now) {
  const trace = [];
  let ends = new Map([[1, 0]]); // by diagonal, the furthest place in `old`
  for (let edits = 0; edits <= Math.min(MOST_EDITS, old.length + now.length); edits++) {
    trace.push(ends);
    ends = new Map(ends);
    for (let k = -edits; k <= edits; k += 2) {
      let x = isAdded(trace[edits], k, edits) ? trace[edits].get(k + 1) : trace[edits].get(k - 1) + 1;
      while (x < old.length && x - k < now.length && old[x] === now[x - k]) x++;
      ends.set(k, x);
      if (x >= old.length && x - k >= now.length) return walkedBack(trace, old, now);
    }
  }
  return [...old.map((line) => ["-", line]), ...now.map((line) => ["+", line])];
}

function isAdded(ends, k, edits) {
  return k === -edits || (k !== edits && ends.get(k - 1) < ends.get(k + 1));
}

function walkedBack(trace, old, now) {
  const found = [];
  let x = old.length;
  let y = now.length;
  for (let edits = trace.length - 1; edits > 0; edits--) {
    const isPlus = isAdded(trace[edits], x - y, edits);
    const fromX = trace[edits].get(x - y + (isPlus ? 1 : -1));
    const fromY = fromX - (x - y + (isPlus ? 1 : -1));
    while (x > fromX && y > fromY && (isPlus ? y - 1 > fromY : x - 1 > fromX)) {
      found.push([" ", old[--x]]);
      y--;
    }
    found.push(isPlus ? ["+", now[--y]] : ["-", old[--x]]);
  }
  while (x > 0) found.push([" ", old[--x]]);
  return found.reverse();
}

/** Return the lines of a unified diff, with which `patch` makes one text of the other; none where they are equal. */
export function unified(before, after, name) {
  const lines = difference(before, after);
  const changed = lines.flatMap(([sign], place) => (sign === " " ? [] : [place]));
  const found = changed.length === 0 ? [] : [`--- a/${name}`, `+++ b/${name}`];
  let old = 1;
  let now = 1;
  let done = 0;
  while (changed.length > 0) {
    const begin = Math.max(0, changed[0] - AROUND);
    let last = changed.shift();
    while (changed.length > 0 && changed[0] - last <= 2 * AROUND) last = changed.shift();
    const hunk = lines.slice(begin, last + AROUND + 1);
    old += begin - done;
    now += begin - done;
    const olds = hunk.filter(([sign]) => sign !== "+").length;
    const nows = hunk.filter(([sign]) => sign !== "-").length;
    found.push(`@@ -${olds ? old : old - 1},${olds} +${nows ? now : now - 1},${nows} @@`);
    for (const [sign, line] of hunk) {
      found.push(sign + line.replace(/\n$/, ""));
      if (!line.endsWith("\n")) found.push("\\ No newline at end of file");
    }
    old += olds;
    now += nows;
    done = begin + hunk.length;
  }
  return found;
}
