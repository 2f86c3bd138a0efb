// Chooses who answers: one voice, or two that are compared.

import { button, make } from "./elements.js";
import { keep, kept } from "./storage.js";
import { VoicePicker } from "./voices.js";

/** The inputs for one voice or two; `changed` is called with them when the reader has chosen others. */
export class Chooser {
  constructor(shelf, changed) {
    this.changed = changed;
    this.pickers = [0, 1].map(() => new VoicePicker(shelf, () => this.tell()));
    this.compare = button("Compare", () => this.compareTwo(!this.compares), { class: "compare", "aria-pressed": "false" });
    this.elements = [this.pickers[0].element, make("span", { class: "against dim" }, "and"), this.pickers[1].element, this.compare];
    const [first, second] = (kept("voices") ?? []).map((voice) => (shelf.has(voice) ? voice : undefined));
    if (first) this.pickers[0].choose(first);
    this.pickers[1].choose(second ?? { model: (shelf.adapters[1] ?? shelf.model("base") ?? shelf.models[0]).id });
    this.compareTwo(second !== undefined);
  }

  get compares() {
    return this.compare.getAttribute("aria-pressed") === "true";
  }

  get voices() {
    return this.pickers.slice(0, this.compares ? 2 : 1).map((picker) => picker.voice);
  }

  /** Chooses the first voice. */
  choose(voice) {
    this.pickers[0].choose(voice);
    this.tell();
  }

  compareTwo(on) {
    this.compare.setAttribute("aria-pressed", String(on));
    this.pickers[0].call(on ? "Left voice" : "Voice");
    this.pickers[1].call("Right voice");
    document.body.classList.toggle("compares", on);
    this.tell();
  }

  tell() {
    keep("voices", this.voices);
    this.changed(this.voices);
  }
}
