// The panel of settings: the sampling that the reader asks for. What is left empty is the adapter's own.

import { byId, number } from "./elements.js";
import { keep, kept } from "./storage.js";

const inputs = () => [...byId("sampling").elements].filter((element) => element.name);

/** Listens to the inputs, and gives them what they had before in this tab. */
export function beginSampling() {
  const before = kept("sampling") ?? {};
  byId("system").value = kept("system") ?? "";
  byId("system").addEventListener("input", () => keep("system", byId("system").value));
  for (const input of inputs()) input.value = before[input.name] ?? "";
  byId("sampling").addEventListener("input", checked);
  byId("sampling").addEventListener("submit", (event) => event.preventDefault());
  byId("own").addEventListener("click", () => {
    for (const input of inputs()) input.value = "";
    checked();
  });
  checked();
}

/** Shows in the empty inputs what is the first model's own, where the server says it, and asks for a system text if one of them takes it. */
export function showOwn(models) {
  const own = { ...models[0].decoding, max_tokens: models[0].decoding?.max_new_tokens };
  for (const input of inputs()) if (input.name !== "seed") input.placeholder = own[input.name] ?? "its own";
  byId("system-field").hidden = !models.some((model) => model.takes_system_text);
}

/** The system text for a model, where it takes one and one was written; else undefined. */
export function systemText(model) {
  return (model.takes_system_text && byId("system").value.trim()) || undefined;
}

/** What is asked for, with a seed in any case, so that every answer can be had again; null where a number is wrong, which is said. */
export function readSampling() {
  const wrong = checked();
  if (wrong) {
    openPanel(true);
    wrong.focus();
    return null;
  }
  const asked = Object.fromEntries(inputs().filter((input) => input.value !== "").map((input) => [input.name, input.valueAsNumber]));
  return { ...asked, seed: asked.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] };
}

/** Shows the panel, or not, where there is no room for it beside the conversation. */
export function openPanel(open) {
  byId("panel").classList.toggle("open", open);
  byId("panel-open").setAttribute("aria-expanded", String(open));
  byId("panel-open").textContent = open ? "Done" : "Settings";
}

/** Keeps the inputs and says what is wrong with one of them; gives that one. */
function checked() {
  const wrong = inputs().find((input) => fault(input));
  for (const input of inputs()) input.setAttribute("aria-invalid", String(input === wrong));
  byId("wrong").textContent = wrong ? fault(wrong) : "";
  byId("own").hidden = inputs().every((input) => input.value === "" && !input.validity.badInput);
  keep("sampling", Object.fromEntries(inputs().map((input) => [input.name, input.value])));
  return wrong;
}

/** What is wrong with a number, in words. Its step says only how far an arrow key goes. */
function fault(input) {
  const whole = input.step === "1";
  const { badInput, rangeUnderflow, rangeOverflow } = input.validity;
  const cut = whole && input.value !== "" && !Number.isInteger(input.valueAsNumber);
  if (!badInput && !rangeUnderflow && !rangeOverflow && !cut) return undefined;
  const name = input.labels[0].firstChild.textContent.trim();
  const range = input.max ? `from ${input.min} to ${number(Number(input.max), 2)}` : `of at least ${input.min}`;
  return `${name} takes a ${whole ? "whole number" : "number"} ${range}.`;
}
