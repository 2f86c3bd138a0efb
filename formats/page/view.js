// The samples of one page, part by part.

const CUT = { [REPLY]: 6000, [SYSTEM]: 400 }; // characters, above which a text is shown in part until it is asked for
const CUT_CONTEXT = 900;
const SPEAKERS = 6; // colours, which come round again

const WORDS = { [BOUNDARY]: "boundary", [SYSTEM]: "system text", [STOP]: "stop, learned", [REPLY]: "reply, learned", [BOT_BEFORE]: "earlier turn of the bot, not learned", [SOMEBODY]: "turn, not learned" };
const SIGNS = { [BOUNDARY]: "", [SYSTEM]: "S", [STOP]: "■", [REPLY]: "▶", [BOT_BEFORE]: "B", [SOMEBODY]: "" };
const LOOKS = { [BOUNDARY]: "boundary", [SYSTEM]: "system", [STOP]: "stop", [REPLY]: "reply", [BOT_BEFORE]: "bot", [SOMEBODY]: "context" };

/** What is known of a sample, in words. */
function facts(row, columns) {
  const value = (name) => (columns[name] && columns[name][row] !== UNKNOWN ? columns[name][row] : null);
  const label = (name) => meta.labels[name][columns[name][row]] || null;
  const told = [];
  const tell = (known, words) => known !== null && told.push(words(known));
  tell(label("community"), (name) => make("span", {}, shown(name)));
  tell(value("score"), (score) => `score ${number(score)}`);
  tell(value("tokens"), (tokens) => counted(tokens, "token"));
  if (value("tokens") === null) tell(value("characters"), (characters) => counted(characters, "character"));
  tell(value("toxicity"), (toxicity) => `toxicity ${(toxicity / SHARE).toFixed(2)}`);
  tell(value("created"), (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10));
  tell(label("split"), (name) => name);
  return told.map((words) => make("span", {}, words));
}

/** From where to where a text is shown until all of it is asked for: its beginning, or what stands around the first find of the search. */
function windowOf(text, most, hit) {
  if (text.length <= most * 1.3) return [0, text.length];
  const found = hit ? text.search(hit) : -1;
  const begin = found > most * 0.8 ? between(text, Math.round(found - most / 4)) : 0;
  return [begin, between(text, Math.min(begin + most, text.length))];
}

/** A long text in part, with buttons that say how much is left out before and after it. */
function windowView(text, [begin, end], hit) {
  const left = (count, where) => count > 0 && make("button", { type: "button", class: "whole" }, `… ${number(count)} ${where}`);
  const inside = text.slice(begin, end);
  const finds = (of) => (hit ? [...of.matchAll(hit)].length : 0);
  const more = end - begin < text.length ? finds(text) - finds(inside) : 0;
  const words = more > 0 ? `, ${counted(more, "find")} of the search among what is left out` : "";
  const after = left(text.length - end, `more characters${words}`);
  return [left(begin, `characters before${after ? "" : words}`), shown(inside, hit), after];
}

function partView({ kind, text }, hit, whole) {
  const body = make("div", { class: "text" });
  if (kind === BOUNDARY) body.append(...inOneLine(text));
  else if (kind === STOP) {
    body.append(make("b", {}, inOneLine(text)));
    if (meta.end) body.append(" ", make("b", { title: "the base model's end token" }, marked(meta.end)));
  } else {
    const most = CUT[kind] ?? CUT_CONTEXT;
    const parts = windowView(text, whole ? [0, text.length] : windowOf(text, most, hit), hit);
    body.append(...parts.filter(Boolean));
  }
  const who = kind >= FIRST_SPEAKER ? String(kind - FIRST_SPEAKER) : SIGNS[kind];
  const words = kind >= FIRST_SPEAKER ? `turn of Speaker_${who}, not learned` : WORDS[kind];
  const look = LOOKS[kind] ?? `context speaks s${(kind - FIRST_SPEAKER) % SPEAKERS}`;
  return make("div", { class: `part ${look}`, role: "group", "aria-label": words, title: words },
    make("span", { class: "who", "aria-hidden": "true" }, who), body);
}

/** One sample; `view` says what is looked at: `columns`, `tokens`, `hit`, and of which samples `more` was asked for, how often. */
async function sampleView(row, view) {
  const { id, parts } = await sample(row);
  const more = view.more.get(row) ?? 0;
  const body = view.tokens ? await tokenView(row, more) : parts.map((part) => partView(part, view.hit, more > 0));
  const head = make("div", { class: "keys" }, make("h3", { id: `name-${row}` }, shown(id)), facts(row, view.columns));
  const article = make("article", { class: "sample", tabindex: "-1", "aria-labelledby": `name-${row}`, "data-row": row }, head, body);
  return make("li", {}, article);
}
