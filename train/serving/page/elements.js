// Elements of the page. Texts get into it as text nodes only, whatever they say.

export const byId = (id) => document.getElementById(id);

/** A new element with attributes and children, in lists or not; what is undefined or false is left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== false));
  return element;
}

/** A button that does `act` when it is pressed. */
export function button(words, act, attributes = {}) {
  const element = make("button", { type: "button", ...attributes }, words);
  element.addEventListener("click", act);
  return element;
}

/** A number in the reader's way of writing, with so many digits behind the point at most. */
export const number = (value, digits = 0) => value.toLocaleString("en", { maximumFractionDigits: digits });

export const counted = (count, what) => `${number(count)} ${what}${count === 1 ? "" : "s"}`;

/** A text in one line whose line breaks are seen. */
export const inOneLine = (text) => text.replaceAll("\n", "↵");

/** Says something to those who hear the page, without a place of its own on it. */
export function tell(words) {
  byId("told").textContent = words;
}
