// Distributions that follow the filters; a range is chosen by clicking, by drawing across the bars, or by its two numbers.

const HEIGHT = 88;
const SHARE = 10000;
const NO_BIN = 255;
const [FEWEST, MOST] = [8, 40]; // bins
const BODY = 3; // a range so many times as wide as that of the middle 95 % has tails so long that only a logarithmic scale shows its body
const WHOLE_STEPS = 8; // values that the first bin of such a scale holds: of fewer, rounding would make bins of visibly unequal width

const svg = (tag, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

/** Where bins begin, and where the last ends: of one width, or where the tails are long of one width on a logarithmic scale. */
function edges(name, values) {
  if (name === "toxicity") return Array.from({ length: 21 }, (_, place) => (place * SHARE) / 20);
  const known = values.filter((value) => value !== UNKNOWN).sort();
  const at = (share) => known[Math.round(share * (known.length - 1))];
  const [least, low, high, most] = [0, 0.025, 0.975, 1].map(at);
  const bins = Math.max(FEWEST, Math.min(MOST, Math.ceil(2 * Math.cbrt(known.length)))); // the Rice rule
  const isLong = most - least > Math.max(BODY * (high - low), bins);
  return isLong ? logarithmic(least, low, most, bins) : equal(least, most, bins);
}

/** Bins of 1, 2 or 5 times a power of ten. */
function equal(least, most, bins) {
  if (least === most) [least, most] = [least - 2, most + 2]; // a bar with something beside it
  let step = 1;
  for (let turn = 0; (most - least) / step >= bins; turn++) step *= turn % 3 === 1 ? 2.5 : 2;
  const first = Math.floor(least / step);
  const count = Math.floor(most / step) - first + 1;
  return Array.from({ length: count + 1 }, (_, place) => (first + place) * step);
}

/** Bins that each end at twice their begin, or at a root of two times it; 0 is one of its own, and below it the same mirrored. */
function logarithmic(least, low, most, bins) {
  const octaves = Math.log2(most / Math.max(1, least));
  const parts = [4, 2, 1].find((parts) => parts === 1 || ((2 ** (1 / parts) - 1) * low >= WHOLE_STEPS && octaves * parts <= bins));
  const away = Array.from({ length: 31 * parts }, (_, place) => Math.round(2 ** (place / parts)));
  const all = [...new Set([...away.slice(1).map((value) => 1 - value).reverse(), 0, ...away, 2 ** 31])];
  return all.slice(Math.max(0, all.findLastIndex((begin) => begin <= least)), all.findIndex((begin) => begin > most) + 1);
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
    this.clear.addEventListener("click", () => {
      this.low.focus({ preventScroll: true }); // the button goes
      this.choose(null);
    });
    const picks = [0, 0.25, 0.5, 0.75, 1].map((share) => this.edges[Math.round(share * this.size)] / this.scale);
    const axis = make("div", { class: "axis", "aria-hidden": "true" }, picks.map((value) => make("span", {}, short(value))));
    this.figure = make("figure", { class: "chart", id: `chart-${this.name}` },
      make("figcaption", {}, make("span", {}, make("b", {}, this.title), this.isEven() ? "" : " log scale"), this.told),
      make("div", { class: "plot" }, this.drawing, this.most), axis,
      make("div", { class: "range" }, this.low, "to", this.high, this.clear));
    this.brushable();
  }

  /** Whether all bins are of one width. */
  isEven() {
    const widths = this.edges.slice(1).map((end, place) => end - this.edges[place]);
    return Math.max(...widths) === Math.min(...widths);
  }

  /** The range between the two inputs, whichever is larger; null where both are empty. */
  typed() {
    const [low, high] = [this.low.value, this.high.value].map((value) => (value === "" ? null : Math.round(Number(value) * this.scale)));
    return low === null && high === null ? null : rangeOf(low, high);
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
    const most = Math.max(...this.now);
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
    this.most.textContent = most ? `↑ ${number(most)}` : "";
    this.told.textContent = range ? this.words(range) : this.middle === null ? "" : `median ${short(this.middle / this.scale)}`;
    this.drawing.setAttribute("aria-label", `Distribution of ${this.title}${this.isEven() ? "" : ", on a logarithmic scale"}. ${this.told.textContent}`);
  }

  words([low, high]) {
    const [from, to] = [low, high].map((value) => short(value / this.scale));
    if (!Number.isFinite(low)) return `up to ${to}`;
    return Number.isFinite(high) ? (from === to ? from : `${from} to ${to}`) : `${from} and more`;
  }
}
