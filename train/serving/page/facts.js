// What is known of a model, for who chooses among them.

import { button, inOneLine, make, number } from "./elements.js";
import { title } from "./shelf.js";

/** The facts of a model that the server tells, in a list; of one that has none, a line that says what it is. */
function factsOf(model) {
  const rate = termination(model.termination_rate);
  const facts = [
    ["template", model.template],
    ["stop", model.stop && make("b", { class: "chip stop" }, inOneLine(model.stop))],
    ["rank", model.rank && number(model.rank)],
    ["chooses from", model.chooses_from?.join(", ")],
    ["stops by itself", rate !== undefined && `${number(100 * rate, 1)} %`],
  ];
  const known = facts.filter(([, value]) => value);
  return known.length ? make("dl", {}, known.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])) : undefined;
}

/** A model as a card: its name in its colour, and its facts; where it can be chosen, all of the card is the button that does. */
export function card(model, shelf, choose) {
  const name = choose ? button(title(model.id), choose, { "aria-label": `Talk with ${model.id}` }) : title(model.id);
  const element = make("div", { class: "card" }, make("h3", {}, name), factsOf(model));
  element.style.setProperty("--voice", shelf.colour({ model: model.id }));
  return element;
}

/** The share of the adapter's answers that stopped by themselves; undefined where it was not measured. */
function termination(rate) {
  return typeof rate === "number" ? rate : (rate?.adapter ?? undefined);
}
