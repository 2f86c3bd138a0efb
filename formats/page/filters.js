// Which samples are shown, and in what order.

const FAILS = { query: 1, split: 2, community: 4, length: 8, score: 16, toxicity: 32 };

const SORTS = {
  "": ["as written", null],
  shuffled: ["shuffled", null],
  longest: ["longest first", "length", -1],
  shortest: ["shortest first", "length", 1],
  best: ["highest score first", "score", -1],
  worst: ["lowest score first", "score", 1],
  toxic: ["most toxic first", "toxicity", -1],
  newest: ["newest first", "created", -1],
  oldest: ["oldest first", "created", 1],
};

/** The samples of the page, which of them pass what is asked for, and their order. */
class Selection {
  constructor(columns) {
    this.columns = columns;
    this.rows = meta.rows;
    this.fails = new Uint8Array(this.rows); // of each sample, the bits of the filters that it does not pass
    this.found = null; // of each sample, whether the search found it; null without a search
    this.orders = {};
  }

  /** The samples that pass every filter, in the order asked for. */
  select(state) {
    const { fails, columns } = this;
    fails.fill(0);
    if (this.found) this.fail(FAILS.query, (row) => !this.found[row]);
    for (const name of ["split", "community"]) {
      const chosen = meta.labels[name].indexOf(state[name]);
      if (state[name] !== null) this.fail(FAILS[name], (row) => columns[name][row] !== chosen);
    }
    for (const [name, range] of Object.entries(state.ranges)) {
      const values = columns[name];
      if (range && values) this.fail(FAILS[name], (row) => values[row] < range[0] || values[row] > range[1] || values[row] === UNKNOWN);
    }
    return this.order(state.sort).filter((row) => !fails[row]);
  }

  fail(bit, does) {
    for (let row = 0; row < this.rows; row++) if (does(row)) this.fails[row] |= bit;
  }

  /** Every sample in the order of that name; samples without a value come last. */
  order(name) {
    return (this.orders[name] ??= this.sorted(name));
  }

  sorted(name) {
    const rows = Uint32Array.from({ length: this.rows }, (_, row) => row);
    const [, column, sign] = SORTS[name] ?? SORTS[""];
    if (name === "shuffled") {
      const place = rows.map((row) => Math.imul(row + 1, 0x9e3779b1) >>> 0); // Fibonacci hashing: the same shuffle every time
      return rows.sort((one, other) => place[one] - place[other]);
    }
    const values = this.columns[column];
    if (!values) return rows;
    const last = sign > 0 ? Infinity : -Infinity;
    const key = Float64Array.from(values, (value) => (value === UNKNOWN ? last : value));
    return rows.sort((one, other) => sign * (key[one] === key[other] ? 0 : key[one] - key[other]) || one - other);
  }

  /** How many samples lie in each bin of a chart, among those that pass all filters but the chart's own. */
  counts(name, bins, size) {
    const counts = new Uint32Array(size);
    const others = ~FAILS[name];
    for (let row = 0; row < this.rows; row++) if (!(this.fails[row] & others) && bins[row] < size) counts[bins[row]]++;
    return counts;
  }

  /** The median of the known values of the samples that pass all filters; null where there is none. */
  median(name) {
    const values = this.columns[name].filter((value, row) => !this.fails[row] && value !== UNKNOWN).sort();
    return values.length ? values[values.length >> 1] : null;
  }
}
