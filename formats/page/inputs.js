// What the reader does: typing, choosing, clicking, and keys.

const THEMES = ["auto", "light", "dark"];

function listen() {
  let waiting;
  byId("query").addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => event.target.value !== state.query && change({ query: event.target.value }), TYPING_MS);
  });
  const labelled = (value) => (value === "" ? null : value.slice(1));
  const takes = { where: (value) => value, sort: (value) => value, split: labelled, community: labelled, size: Number };
  for (const [id, read] of Object.entries(takes)) byId(id).addEventListener("change", (event) => change({ [id]: read(event.target.value) }));
  byId("tokens").addEventListener("change", toggleTokens);
  byId("reset").addEventListener("click", reset);
  byId("first").addEventListener("click", () => turnTo(0));
  byId("previous").addEventListener("click", () => turnTo(state.page - 1));
  byId("next").addEventListener("click", () => turnTo(state.page + 1));
  byId("last").addEventListener("click", () => turnTo(Infinity));
  byId("page").addEventListener("change", (event) => turnTo((Number(event.target.value) || 1) - 1));
  byId("list").addEventListener("click", (event) => {
    if (event.target.closest("button.reset")) reset();
    const article = event.target.closest("article");
    if (!article) return;
    if (event.target.closest("button.whole")) void showMore(Number(article.dataset.row));
    else if (!String(getSelection())) markHere(article, false);
  });
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("samples").focus();
  });
  window.addEventListener("hashchange", () => {
    Object.assign(state, readState(location.hash));
    byId("query").value = state.query;
    void refresh({ searched: false });
  });
  themes();
  document.addEventListener("keydown", pressed);
}

/** Takes every filter back, and the search; the button that was pressed goes, so that the focus needs a place. */
function reset() {
  byId("query").value = "";
  byId("query").focus({ preventScroll: true });
  void change({ ...fresh(), size: state.size, tokens: state.tokens, sort: state.sort });
}

function toggleTokens() {
  if (meta.base === null) return;
  state.tokens = !state.tokens;
  showState();
  void showSamples();
}

function themes() {
  const show = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    byId("theme").querySelector("span").textContent = theme;
  };
  let theme = "auto";
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    show(theme);
  });
}

const KEYS = {
  "/": () => byId("query").focus(),
  j: () => walk(1),
  k: () => walk(-1),
  n: () => turnTo(state.page + 1),
  p: () => turnTo(state.page - 1),
  t: toggleTokens,
  "?": () => byId("help").showModal(),
  Enter: () => state.at !== null && articleOf(state.at) && toggleMore(state.at),
};

function pressed(event) {
  const inField = event.target.closest("input, select, textarea, dialog");
  if (event.target === byId("query") && ["Escape", "Enter"].includes(event.key)) {
    event.preventDefault(); // browsers would empty the field
    byId("samples").focus();
  }
  if (inField || !byId("keys").checked || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  if (event.key === "Enter" && event.target.closest("button, summary, a")) return;
  event.preventDefault();
  void KEYS[event.key]();
}
