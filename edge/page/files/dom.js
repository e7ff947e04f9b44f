/** Elements made by our own code. Text from outside becomes text or a harmless attribute, and never markup. */

const ADDRESSES = /^(href|src|action|formaction|xlink:href)$/i;
const REFUSED = /^(on.*|style|srcdoc)$/i;
const SCHEMES = ["http:", "https:", "blob:"];

/** Return an element. attributes: null and false are left out, `on` has listeners by event. children: text or nodes. */
export function el(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

export function els(tag, ...classes) {
  return classes.map((name) => el(tag, {class: name}));
}

export function show(node, ...children) {
  node.replaceChildren(...flat(children));
  return node;
}

/** Set the text of a node; nothing is done where it is the same. */
export function write(node, text) {
  const wanted = String(text ?? "");
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Set an attribute, or take it away where it is null or false; nothing is done where it is the same. */
export function set(node, name, value) {
  const wanted = value === true ? "" : (value ?? false);
  if (wanted === false) return node.removeAttribute(name);
  if (node.getAttribute(name) === String(wanted)) return;
  if (REFUSED.test(name)) throw new Error(`${name}: is not set as an attribute`);
  if (ADDRESSES.test(name) && !SCHEMES.includes(new URL(wanted, document.baseURI).protocol)) {
    throw new Error(`${name}: leads to a scheme that is not allowed`);
  }
  node.setAttribute(name, wanted);
}

/**
 * Return a function that makes the children of a node from items, and keeps those that it had before.
 * make: returns {node, update} for an item.  key: tells items apart.
 */
export function keyed(parent, make, key) {
  const kept = new Map();
  return (items) => {
    const wanted = new Map(items.map((item, place) => [key(item, place), item]));
    for (const [name, row] of kept) {
      if (wanted.has(name)) continue;
      row.node.remove();
      kept.delete(name);
    }
    let place = 0;
    for (const [name, item] of wanted) {
      if (!kept.has(name)) kept.set(name, make(item));
      const {node, update} = kept.get(name);
      update(item);
      const before = parent.children[place++];
      if (before !== node) parent.insertBefore(node, before ?? null);
    }
  };
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") Object.entries(value).forEach((each) => node.addEventListener(...each));
    else if (name === "value" && name in node) node.value = value ?? "";
    else set(node, name, value);
  }
  node.append(...flat(children));
  return node;
}

function flat(children) {
  return children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false);
}
