// Distributions that follow the filters; a range is chosen by clicking, by drawing across the bars, or by its two numbers.

const HEIGHT = 88;
const STEPS = [1, 1.5, 2, 3, 5, 7]; // of a decade: even on a logarithmic scale, as far as round numbers can be
const SHARE = 10000;
const NO_BIN = 255;
const FEWEST = 13; // edges: a few samples are no two wide blocks

const svg = (tag, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

/** Where bins begin, and where the last ends: for lengths and scores each decade in steps, for shares twenty of one size. */
function edges(name, values) {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) if (value !== UNKNOWN) [least, most] = [Math.min(least, value), Math.max(most, value)];
  if (name === "toxicity") return Array.from({ length: 21 }, (_, place) => (place * SHARE) / 20);
  const away = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  for (let decade = 10; decade < 2 ** 31; decade *= 10) away.push(...STEPS.map((step) => step * decade));
  const begins = [...away.map((value) => -value).reverse(), 0, ...away];
  const first = begins.findLastIndex((begin) => begin <= least);
  const last = begins.findIndex((begin) => begin > most);
  const end = last < 0 ? begins.length : Math.max(last + 1, first + FEWEST);
  return begins.slice(Math.max(0, Math.min(first, end - FEWEST)), end);
}

/** A number in few characters. */
function short(value) {
  for (const [size, letter] of [[1e6, "M"], [1e3, "k"]]) if (Math.abs(value) >= size) return `${+(value / size).toPrecision(3)}${letter}`;
  return String(+value.toFixed(2));
}

class Chart {
  /** `choose(range)` is called with two numbers, or null for all. */
  constructor(name, title, values, choose) {
    this.name = name;
    this.choose = choose;
    this.scale = name === "toxicity" ? SHARE : 1;
    this.edges = edges(name, values);
    this.size = this.edges.length - 1;
    this.bins = Uint8Array.from(values, (value) => this.bin(value));
    this.title = title;
    this.build();
  }

  bin(value) {
    if (value === UNKNOWN) return NO_BIN;
    const place = this.edges.findIndex((edge) => edge > value);
    return place < 0 ? this.size - 1 : place - 1;
  }

  build() {
    this.told = make("span");
    this.most = make("span", { class: "most", "aria-hidden": "true" });
    this.drawing = svg("svg", { viewBox: `0 0 ${this.size} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    const ends = ["from", "to"].map((end) =>
      make("input", { type: "number", step: this.scale === 1 ? "1" : "0.01", "aria-label": `${this.title} ${end}`, placeholder: end }));
    [this.low, this.high] = ends;
    for (const end of ends) end.addEventListener("change", () => this.choose(this.typed()));
    this.clear = make("button", { type: "button", "aria-label": `Clear the filter of ${this.title}` }, "✕");
    this.clear.addEventListener("click", () => this.choose(null));
    const picks = [0, 0.25, 0.5, 0.75, 1].map((share) => this.edges[Math.round(share * this.size)] / this.scale);
    const axis = make("div", { class: "axis", "aria-hidden": "true" }, picks.map((value) => make("span", {}, short(value))));
    this.figure = make("figure", { class: "chart", id: `chart-${this.name}` },
      make("figcaption", {}, make("b", {}, this.title), this.told),
      make("div", { class: "plot" }, this.drawing, this.most), axis,
      make("div", { class: "range" }, this.low, "to", this.high, this.clear));
    this.brushable();
  }

  /** The range between the two inputs; null where both are empty. */
  typed() {
    const [low, high] = [this.low.value, this.high.value].map((value) => (value === "" ? null : Math.round(Number(value) * this.scale)));
    return low === null && high === null ? null : [low ?? -Infinity, high ?? Infinity];
  }

  brushable() {
    const place = (event) => {
      const box = this.drawing.getBoundingClientRect();
      return Math.max(0, Math.min(this.size - 1, Math.floor(((event.clientX - box.left) / box.width) * this.size)));
    };
    let from = null;
    this.drawing.addEventListener("pointerdown", (event) => {
      from = place(event);
      this.drawing.setPointerCapture(event.pointerId);
      this.brush = [from, from];
      this.draw();
    });
    this.drawing.addEventListener("pointermove", (event) => {
      if (from === null) return;
      const to = place(event);
      this.brush = [Math.min(from, to), Math.max(from, to)];
      this.draw();
    });
    const end = (event) => {
      if (from === null) return;
      from = null;
      const range = this.spanned(...this.brush);
      this.brush = null;
      const same = this.range && range[0] === this.range[0] && range[1] === this.range[1];
      this.choose(event.type === "pointercancel" ? this.range : same ? null : range);
    };
    this.drawing.addEventListener("pointerup", end);
    this.drawing.addEventListener("pointercancel", end);
  }

  /** The range of values of the bins from one to another. */
  spanned(first, last) {
    return [this.edges[first], this.scale === 1 ? Math.ceil(this.edges[last + 1]) - 1 : this.edges[last + 1]];
  }

  /** Shows how many samples each bin has, of those that pass the other filters, and what is chosen. */
  show(selection, range) {
    this.now = selection.counts(this.name, this.bins, this.size);
    this.middle = selection.median(this.name);
    this.range = range;
    const end = (value) => (range && Number.isFinite(value) ? String(value / this.scale) : "");
    [this.low.value, this.high.value] = [end(range?.[0]), end(range?.[1])];
    this.clear.hidden = !range;
    this.draw();
  }

  draw() {
    const range = this.brush ? this.spanned(...this.brush) : this.range;
    const most = Math.max(1, ...this.now);
    const bars = [];
    this.now.forEach((count, place) => {
      const [begin, end] = this.spanned(place, place);
      const touches = this.scale === 1 ? end >= range?.[0] && begin <= range?.[1] : end > range?.[0] && begin < range?.[1];
      const tall = count ? Math.max(1.5, (count / most) * (HEIGHT - 4)) : 0;
      const bar = svg("rect", { class: range ? (touches ? "chosen" : "all") : "now", x: place + 0.07, width: 0.86, y: HEIGHT - tall, height: tall });
      const touch = svg("rect", { class: "touch", x: place, width: 1, y: 0, height: HEIGHT });
      touch.append(svg("title", {}));
      touch.firstChild.textContent = `${short(begin / this.scale)} to ${short(end / this.scale)}: ${counted(count, "sample")}`;
      bars.push(bar, touch);
    });
    this.drawing.replaceChildren(...bars);
    this.most.textContent = `↑ ${number(most)}`;
    this.told.textContent = range ? this.words(range) : this.middle === null ? "" : `median ${short(this.middle / this.scale)}`;
    this.drawing.setAttribute("aria-label", `Distribution of ${this.title}. ${this.told.textContent}`);
  }

  words([low, high]) {
    const [from, to] = [low, high].map((value) => short(value / this.scale));
    if (!Number.isFinite(low)) return `up to ${to}`;
    return Number.isFinite(high) ? (from === to ? from : `${from} to ${to}`) : `${from} and more`;
  }
}
