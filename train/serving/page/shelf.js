// Who can answer: the adapters that the server has, its base, and its router.

const BASE = "base";
const AUTO = "auto";
const COLOURS = 6;

/** The models that the server lists. */
export class Shelf {
  constructor(models) {
    this.models = models;
    this.adapters = models.filter(({ id }) => id !== BASE && id !== AUTO);
  }

  model(id) {
    return this.models.find((model) => model.id === id);
  }

  /** Whether a voice that was chosen once can be chosen here. */
  has({ model, mix = {} }) {
    const here = this.model(model);
    const fit = here && [model, ...this.partners(here).map(({ id }) => id)];
    return Boolean(here) && Object.keys(mix).every((id) => fit.includes(id));
  }

  /** The adapters with which this one can be mixed: those that read and stop as it does. */
  partners(adapter) {
    return this.adapters.filter((other) => other.id !== adapter.id && other.template === adapter.template && other.stop === adapter.stop);
  }

  /** The colour of a voice; a mix has a mixed one. */
  colour({ model, mix }) {
    if (mix) {
      const [[first, share], [second]] = Object.entries(mix);
      return `color-mix(in oklab, ${this.colour({ model: first })} ${Math.round(100 * share)}%, ${this.colour({ model: second })})`;
    }
    const place = this.adapters.findIndex(({ id }) => id === model);
    return place < 0 ? "var(--dim)" : `var(--voice-${place % COLOURS})`;
  }
}

/** A model's name for readers. */
export function title(id) {
  return { [BASE]: "base, without adapter", [AUTO]: "auto: whoever it suits" }[id] ?? id;
}

/** The name of a voice in few words. */
export function nameOf({ model, mix }) {
  if (!mix) return model;
  return Object.entries(mix).map(([name, share]) => `${Math.round(100 * share)} % ${name}`).join(" + ");
}

/** The models of a voice. */
export function madeOf({ model, mix }) {
  return mix ? Object.keys(mix) : [model];
}
