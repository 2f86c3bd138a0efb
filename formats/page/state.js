// What is looked at, and its form in the address, so that a link shows somebody else the same.

const SIZES = [10, 20, 50, 100];
const RANGES = { length: 1, score: 1, toxicity: SHARE };

const fresh = () => ({
  query: "", where: "", split: null, community: null, sort: "", page: 0, size: 20, tokens: false, at: null,
  ranges: { length: null, score: null, toxicity: null },
});

/** The range between two ends, in either order; null is no end. */
function rangeOf(low, high) {
  if (low !== null && high !== null && low > high) return [high, low];
  return [low ?? -Infinity, high ?? Infinity];
}

/** The state in a fragment of an address; what makes no sense there counts as not said. */
function readState(hash) {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  const state = fresh();
  state.query = said.get("q") ?? "";
  state.where = said.get("in") in KINDS ? said.get("in") : "";
  state.sort = said.get("sort") in SORTS ? said.get("sort") : "";
  for (const name of ["split", "community"]) if (meta.labels[name].includes(said.get(name))) state[name] = said.get(name);
  for (const [name, scale] of Object.entries(RANGES)) {
    const ends = said.get(name)?.match(/^(-?[\d.]*)\.\.(-?[\d.]*)$/);
    const [low, high] = [ends?.[1], ends?.[2]].map((end) => (end ? Math.round(Number(end) * scale) : NaN));
    if (!Number.isNaN(low) || !Number.isNaN(high)) state.ranges[name] = rangeOf(Number.isNaN(low) ? null : low, Number.isNaN(high) ? null : high);
  }
  const whole = (name, least) => (/^\d{1,9}$/.test(said.get(name) ?? "") ? Math.max(least, Number(said.get(name))) : null);
  state.page = (whole("page", 1) ?? 1) - 1;
  state.size = SIZES.includes(whole("show", 1)) ? whole("show", 1) : 20;
  state.at = whole("at", 1) === null ? null : whole("at", 1) - 1;
  state.tokens = said.get("tokens") === "1" && meta.base !== null;
  return state;
}

/** The fragment that says this state, without what goes without saying. */
function writeState(state) {
  const say = new URLSearchParams();
  const put = (name, value, usual) => value !== usual && value !== null && say.set(name, value);
  put("q", state.query, "");
  put("in", state.where, "");
  put("split", state.split);
  put("community", state.community);
  for (const [name, scale] of Object.entries(RANGES)) {
    const range = state.ranges[name];
    const end = (value) => (Number.isFinite(value) ? value / scale : "");
    if (range) say.set(name, `${end(range[0])}..${end(range[1])}`);
  }
  put("sort", state.sort, "");
  put("page", state.page + 1, 1);
  put("show", state.size, 20);
  put("tokens", state.tokens ? 1 : 0, 0);
  put("at", state.at === null ? null : state.at + 1);
  return `#${say}`;
}
