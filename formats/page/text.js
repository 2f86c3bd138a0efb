// Texts of strangers: only ever text nodes, kept apart from the direction of writing around them, hidden characters marked by name.

const BOUNDARY = 0;
const SYSTEM = 1;
const STOP = 2;
const REPLY = 3;
const BOT_BEFORE = 4;
const SOMEBODY = 5;
const FIRST_SPEAKER = 6;

const MOST_MARKED = 2000; // finds of a search that are marked in one text: more would make the page slow

const hiddenCharacter = new RegExp(meta.hidden, "gu");

/** A new element with attributes and children, in lists or not; what is undefined or false is left out. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  // One by one: a long text comes in more nodes than a function takes arguments.
  for (const child of children.flat(Infinity)) if (child !== undefined && child !== false) element.append(child);
  return element;
}

/** The text as nodes: hidden characters as marks with their names, as `formats.visible.for_page` writes them. */
function marked(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(hiddenCharacter)) {
    if (found.index > end) nodes.push(text.slice(end, found.index));
    const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(make("span", { class: "hidden", title: meta.names[code] ?? "control character" }, `U+${code}`));
    end = found.index + found[0].length;
  }
  if (end < text.length) nodes.push(text.slice(end));
  return nodes;
}

/** The text in an element of its own, what the search found in it marked. */
function shown(text, hit) {
  const nodes = [];
  let [end, count] = [0, 0];
  for (const found of hit ? text.matchAll(hit) : []) {
    if (count++ === MOST_MARKED) break;
    nodes.push(marked(text.slice(end, found.index)), make("mark", { class: "hit" }, marked(found[0])));
    end = found.index + found[0].length;
  }
  return make("bdi", { dir: "auto" }, nodes, marked(text.slice(end)));
}

/** A boundary in one line, its line breaks seen, and the blanks at its edges. */
function inOneLine(text) {
  const seen = text.replace(/^ +| +$|(?<=\n) +| +(?=\n)/g, (blanks) => "␣".repeat(blanks.length));
  return seen.split("\n").flatMap((line, place) => [...(place ? [make("span", { class: "br", title: "line break" }, "↵")] : []), ...marked(line)]);
}

/** The place in a text, or the one before it where it would part the two halves of a character. */
function between(text, place) {
  const parts = /[\ud800-\udbff]/.test(text[place - 1] ?? "") && /[\udc00-\udfff]/.test(text[place] ?? "");
  return place - Number(parts);
}

/** A number in the reader's way of writing. */
const number = (value) => value.toLocaleString("en");
const counted = (count, what) => `${number(count)} ${what}${count === 1 ? "" : "s"}`;
