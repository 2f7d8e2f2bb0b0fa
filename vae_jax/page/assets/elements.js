/* The data of the page, and how elements are made of it. */

const page = JSON.parse(document.getElementById("data").textContent);

/** Makes an element. Children that are text become text nodes: nothing in them is markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Adds to the section of the page with this id. */
function add(section, ...children) {
  document.getElementById(section).append(...children);
}

/** A value as text: numbers with four digits, nothing as a dash. */
function shown(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(4)));
}

/** A menu with its label; `choices` are [value, text]. */
function menu(label, choices, change) {
  const options = choices.map(([value, text]) => make("option", { value }, text));
  const select = make("select", { change: () => change(select.value) }, ...options);
  return [make("label", {}, label, select), select];
}

/** The bytes that base64 text stands for. */
function bytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** The float32 that base64 text stands for. */
function floats(text) {
  return new Float32Array(bytes(text).buffer);
}
