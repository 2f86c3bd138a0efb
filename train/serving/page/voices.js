// Chooses a voice: a model, or a mix of two adapters by a slider.

import { make } from "./elements.js";
import { title } from "./shelf.js";

const MIX = "a mix of two";
const LEAST = 5;
const FIRST_SHARE = 50;

/** The inputs that choose one voice; `changed` is called when the reader has chosen. */
export class VoicePicker {
  constructor(shelf, changed) {
    this.shelf = shelf;
    this.mixable = shelf.adapters.filter((adapter) => shelf.partners(adapter).length);
    this.legend = make("legend", { class: "unseen" });
    this.who = make("select", { "aria-label": "Voice" }, shelf.models.map(({ id }, place) => make("option", { value: place }, title(id))));
    if (this.mixable.length) this.who.append(make("option", { value: MIX }, `${MIX} …`));
    this.first = make("select", { "aria-label": "First of the mix" }, this.mixable.map(({ id }) => make("option", {}, id)));
    this.second = make("select", { "aria-label": "Second of the mix" });
    this.share = make("input", { type: "range", min: LEAST, max: 100 - LEAST, step: LEAST, value: FIRST_SHARE });
    this.shares = make("output", { class: "shares" });
    this.mixing = make("div", { class: "mixing" }, this.first, make("div", { class: "slide" }, this.share, this.shares), this.second);
    this.element = make("fieldset", { class: "voice" }, this.legend, make("span", { class: "dot" }), this.who, this.mixing);
    this.element.addEventListener("input", (event) => {
      if (event.target === this.first) this.offerPartners();
      this.show();
      changed();
    });
    this.offerPartners();
    this.show();
  }

  /** The voice that is chosen: { model } or { model, mix: { name: weight } }. */
  get voice() {
    if (this.who.value !== MIX) return { model: this.shelf.models[Number(this.who.value)].id };
    const share = Number(this.share.value);
    return { model: this.first.value, mix: { [this.first.value]: share / 100, [this.second.value]: (100 - share) / 100 } };
  }

  /** Chooses a voice of the shelf. */
  choose({ model, mix }) {
    if (mix && this.mixable.some(({ id }) => id === model)) {
      this.who.value = MIX;
      this.first.value = model;
      this.offerPartners();
      this.second.value = Object.keys(mix).find((name) => name !== model);
      this.share.value = 100 * mix[model];
    } else {
      this.who.value = this.shelf.models.findIndex(({ id }) => id === model);
    }
    this.show();
  }

  /** What the voice is called among several. */
  call(words) {
    this.legend.textContent = words;
    this.who.setAttribute("aria-label", words);
  }

  offerPartners() {
    const before = this.second.value;
    const first = this.shelf.model(this.first.value);
    const partners = first ? this.shelf.partners(first).map(({ id }) => id) : [];
    this.second.replaceChildren(...partners.map((id) => make("option", {}, id)));
    if (partners.includes(before)) this.second.value = before;
  }

  show() {
    const share = Number(this.share.value);
    this.mixing.hidden = this.who.value !== MIX;
    this.shares.textContent = `${share} : ${100 - share}`;
    this.share.setAttribute("aria-label", `Share of ${this.first.value}`);
    this.share.setAttribute("aria-valuetext", `${share} % ${this.first.value}, ${100 - share} % ${this.second.value}`);
    this.element.style.setProperty("--voice", this.shelf.colour(this.voice));
  }
}
