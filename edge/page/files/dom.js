/** Elements made by our own code. Text from outside becomes text or a harmless attribute, and never markup. */

const SVG = "http://www.w3.org/2000/svg";
const ADDRESSES = new Set(["href", "src", "action", "formaction", "xlink:href"]);
const SCHEMES = new Set(["http:", "https:", "blob:"]);
const REFUSED = /^(on.+|style|srcdoc)$/i;

/** Return an element. attributes: null and false are left out, `on` has listeners by event. children: text or nodes. */
export function el(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Return an SVG element, as `el` does. */
export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Replace the children of a node. */
export function show(node, ...children) {
  node.replaceChildren(...flat(children));
  return node;
}

/** Set the text of a node, which costs nothing where it is the same. */
export function write(node, text) {
  const wanted = text === null || text === undefined ? "" : String(text);
  const only = node.firstChild;
  if (only !== null && only === node.lastChild && only.nodeType === Node.TEXT_NODE) {
    if (only.data !== wanted) only.data = wanted;
  } else {
    node.textContent = wanted;
  }
}

/** Set an attribute, or take it away where it is null or false; nothing is done where it is the same. */
export function set(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
    return;
  }
  const wanted = value === true ? "" : String(value);
  refuse(name, wanted);
  if (node.getAttribute(name) !== wanted) node.setAttribute(name, wanted);
}

/**
 * Return a function that makes the children of a node from items, and keeps the children of those that it had before.
 * make: returns {node, update} for an item.  key: tells items apart.
 */
export function keyed(parent, make, key) {
  const kept = new Map();
  return (items) => {
    const wanted = new Set(items.map(key));
    for (const [gone, row] of kept) {
      if (!wanted.has(gone)) {
        row.node.remove();
        kept.delete(gone);
      }
    }
    items.forEach((item, place) => {
      const name = key(item);
      if (!kept.has(name)) kept.set(name, make(item));
      const {node, update} = kept.get(name);
      update(item);
      if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
    });
  };
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (name === "value" && "value" in node && value !== null && value !== undefined) {
      node.value = value;
    } else {
      set(node, name, value);
    }
  }
  node.append(...flat(children));
  return node;
}

function refuse(name, value) {
  if (REFUSED.test(name)) throw new Error(`${name}: is not set as an attribute`);
  if (ADDRESSES.has(name.toLowerCase()) && !SCHEMES.has(new URL(value, document.baseURI).protocol)) {
    throw new Error(`${name}: leads to a scheme that is not allowed`);
  }
}

function flat(children) {
  return children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false);
}
