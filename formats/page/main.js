// Puts the page together: inputs, keys, search, charts and the list of samples follow one state, which the address keeps.

const TYPING_MS = 220;
const PARTIAL_MS = 300;

const state = readState(location.hash);
const charts = [];
let selection;
let selected = new Uint32Array(0);
let searching = 0; // counts searches, so that one that is out of date ends
let drawing = 0;
let walking = Promise.resolve();
let drawn = null; // what the list shows, or is about to
const more = new Map(); // of samples of which more was asked for, how often

/** Reads the columns, builds the inputs, and shows the first samples. */
async function begin() {
  const columns = await unpackColumns();
  columns.length = columns.tokens ?? columns.characters;
  selection = new Selection(columns);
  fillInputs(columns);
  for (const [name, title] of [["length", columns.tokens ? "tokens" : "characters"], ["score", "score"], ["toxicity", "toxicity"]]) {
    if (columns[name]) charts.push(new Chart(name, title, columns[name], (range) => change({ ranges: { ...state.ranges, [name]: range } })));
    else state.ranges[name] = null;
  }
  byId("charts").replaceChildren(...charts.map((chart) => chart.figure));
  listen();
  await refresh({ searched: false });
}

function fillInputs(columns) {
  const option = (value, words) => make("option", { value }, words);
  for (const name of ["split", "community"]) {
    const counts = new Uint32Array(meta.labels[name].length);
    for (const label of columns[name]) counts[label]++;
    const options = meta.labels[name].map((label, place) => option(`=${label}`, `${label || "unknown"} (${number(counts[place])})`));
    byId(name).replaceChildren(option("", "all"), ...options);
    byId(`${name}-field`).hidden = options.length < 2;
  }
  const sorts = Object.entries(SORTS).filter(([, [, column]]) => !column || columns[column]);
  byId("sort").replaceChildren(...sorts.map(([name, [words]]) => option(name, words)));
  byId("tokens-field").hidden = meta.base === null;
  if (matchMedia("(max-width: 56rem)").matches) byId("more").open = false;
}

/** Takes a change of what is looked at; any but of the page itself begins at the first page. */
function change(more) {
  const searched = "query" in more || "where" in more;
  Object.assign(state, { page: 0, at: null }, more);
  return refresh({ searched: !searched });
}

/** Shows the state: inputs, address, charts and samples; searches first where the search is new. */
async function refresh({ searched }) {
  showState();
  byId("list").setAttribute("aria-busy", "true");
  if (!searched && !(await runSearch())) return;
  await select();
  byId("list").setAttribute("aria-busy", "false");
}

/** Runs the search; the first samples found are shown while it goes on. False where a later one took its place. */
async function runSearch() {
  const mine = ++searching;
  byId("progress").hidden = true;
  if (!pattern(state.query)) {
    selection.found = null;
    return true;
  }
  const found = new Uint8Array(meta.rows);
  let shownAt = performance.now();
  const tell = (share) => {
    byId("progress").hidden = false;
    byId("progress").value = share;
    if (performance.now() - shownAt < PARTIAL_MS) return;
    shownAt = performance.now();
    selection.found = found;
    void select();
  };
  const ended = await search(state.query, state.where, found, tell, () => mine === searching);
  if (ended) {
    selection.found = found;
    byId("progress").hidden = true;
  }
  return ended;
}

async function select() {
  selected = selection.select(state);
  for (const chart of charts) chart.show(selection, state.ranges[chart.name]);
  if (state.at !== null && byId("progress").hidden) {
    const place = selected.indexOf(state.at);
    if (place >= 0) state.page = Math.floor(place / state.size);
    else state.at = null;
  }
  const pages = Math.max(1, Math.ceil(selected.length / state.size));
  if (byId("progress").hidden) state.page = Math.min(state.page, pages - 1);
  showCounts(pages);
  await showSamples();
}

function showState() {
  const values = { where: state.where, sort: state.sort, size: state.size, split: state.split === null ? "" : `=${state.split}`, community: state.community === null ? "" : `=${state.community}` };
  for (const [id, value] of Object.entries(values)) byId(id).value = value;
  if (document.activeElement !== byId("query")) byId("query").value = state.query;
  byId("tokens").checked = state.tokens;
  byId("token-legend").hidden = !state.tokens;
  byId("legend").hidden = state.tokens;
  const filters = [state.where, state.split !== null, state.community !== null, ...Object.values(state.ranges)].filter(Boolean).length;
  byId("reset").hidden = !(state.query || filters);
  byId("filters-on").textContent = filters ? ` (${filters} on)` : "";
  history.replaceState(null, "", writeState(state));
}

function showCounts(pages) {
  const all = selected.length === meta.rows ? "" : ` of ${number(meta.rows)}`;
  byId("count").textContent = `${number(selected.length)}${all} ${meta.rows === 1 ? "sample" : "samples"}`;
  byId("page").value = state.page + 1;
  byId("page").max = pages;
  byId("pages").textContent = `of ${number(pages)}`;
  for (const id of ["first", "previous"]) byId(id).disabled = state.page === 0;
  for (const id of ["next", "last"]) byId(id).disabled = state.page >= pages - 1;
}

/** Draws the samples of the page; a later drawing takes the place of one that waits for its chunks. */
async function showSamples() {
  const rows = Array.from(selected.slice(state.page * state.size, (state.page + 1) * state.size));
  const asked = JSON.stringify([rows, state.tokens, state.query]);
  if (asked === drawn) return;
  drawn = asked;
  const mine = ++drawing;
  const view = viewOf();
  const inside = byId("list").contains(document.activeElement);
  try {
    const items = await Promise.all(rows.map((row) => sampleView(row, view)));
    if (mine !== drawing) return;
    byId("list").replaceChildren(...(items.length ? items : [nothing()]));
  } catch (error) {
    byId("list").replaceChildren(failed(error));
    return;
  }
  document.documentElement.dataset.ready = "yes";
  if (state.at !== null) markHere(articleOf(state.at), true);
  else if (inside) keepFocus();
}

const viewOf = () => ({ columns: selection.columns, tokens: state.tokens, hit: pattern(state.query), more });
const failed = (error) => make("li", { class: "none", role: "alert" }, String(error.message ?? error));
const nothing = () => make("li", { class: "none" }, make("p", {}, "No sample passes these filters."), make("button", { type: "button", class: "reset" }, "Clear all filters"));

/** Keeps keys and Tab where the reader is: what had the focus may be gone, or be a button that does nothing any more. */
function keepFocus() {
  const active = document.activeElement;
  if (!active || active === document.body || active.disabled) byId("samples").focus({ preventScroll: true });
}

const articleOf = (row) => document.querySelector(`article[data-row="${row}"]`);

/** Makes this sample the one that keys are about. */
function markHere(article, scroll) {
  for (const other of document.querySelectorAll(".sample.here")) other.classList.remove("here");
  if (!article) return;
  article.classList.add("here");
  article.focus({ preventScroll: true });
  if (scroll) article.scrollIntoView({ block: "start" });
  state.at = Number(article.dataset.row);
  history.replaceState(null, "", writeState(state));
}

async function turnTo(page) {
  const pages = Math.max(1, Math.ceil(selected.length / state.size));
  Object.assign(state, { page: Math.max(0, Math.min(pages - 1, page)), at: null });
  showState();
  showCounts(pages);
  await showSamples();
  byId("samples").scrollIntoView({ block: "start" });
  keepFocus();
}

/** Goes so many samples on or back, over the edge of the page too; a key that is held down waits for the step before. */
function walk(by) {
  walking = walking.then(() => step(by));
  return walking;
}

async function step(by) {
  const place = nextPlace(by);
  if (place < 0 || place >= selected.length) return;
  const page = Math.floor(place / state.size);
  if (page !== state.page) await turnTo(page);
  markHere(articleOf(selected[place]), true);
}

/** The place to go to: counted from the sample that keys are about, or where that is out of sight from the first one in sight. */
function nextPlace(by) {
  const top = document.querySelector(".bar").getBoundingClientRect().bottom;
  const inSight = (article) => article.getBoundingClientRect().bottom > top + 1 && article.getBoundingClientRect().top < innerHeight;
  const here = state.at === null ? null : articleOf(state.at);
  if (here && inSight(here)) return selected.indexOf(state.at) + by;
  const first = [...document.querySelectorAll("article")].find((article) => article.getBoundingClientRect().bottom > top + 1);
  if (!first) return state.at === null ? -1 : selected.indexOf(state.at) + by;
  const begun = first.getBoundingClientRect().top < top - 1; // its beginning is out of sight above
  return selected.indexOf(Number(first.dataset.row)) + (by > 0 || begun ? 0 : by);
}

/** Shows more of a sample's long texts, or of its tokens. */
async function showMore(row) {
  more.set(row, (more.get(row) ?? 0) + 1);
  await drawAgain(row);
}

/** Shows more of a sample, or cuts it again. */
async function toggleMore(row) {
  if (!more.delete(row)) more.set(row, 1);
  await drawAgain(row);
}

async function drawAgain(row) {
  let item;
  try {
    item = await sampleView(row, viewOf());
  } catch (error) {
    item = failed(error);
  }
  articleOf(row)?.parentElement.replaceWith(item);
  markHere(articleOf(row), false);
}

void begin();
