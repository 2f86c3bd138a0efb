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

function partView({ kind, text }, hit, whole) {
  const body = make("div", { class: "text" });
  if (kind === BOUNDARY) body.append(...inOneLine(text));
  else if (kind === STOP) {
    body.append(make("b", {}, inOneLine(text)));
    if (meta.end) body.append(" ", make("b", { title: "the base model's end token" }, marked(meta.end)));
  } else {
    const most = CUT[kind] ?? CUT_CONTEXT;
    const cut = !whole && text.length > most * 1.3 && !(hit && text.search(hit) >= 0);
    body.append(shown(cut ? firstOf(text, most) : text, hit), cut ? make("button", { type: "button", class: "whole" }, `… ${number(text.length - most)} more characters`) : "");
  }
  const who = kind >= FIRST_SPEAKER ? String(kind - FIRST_SPEAKER) : SIGNS[kind];
  const words = kind >= FIRST_SPEAKER ? `turn of Speaker_${who}, not learned` : WORDS[kind];
  const look = LOOKS[kind] ?? `context speaks s${(kind - FIRST_SPEAKER) % SPEAKERS}`;
  return make("div", { class: `part ${look}`, role: "group", "aria-label": words, title: words },
    make("span", { class: "who", "aria-hidden": "true" }, who), body);
}

/** One sample; `view` says what is looked at: `columns`, `tokens`, `hit`, and which samples are shown `whole`. */
async function sampleView(row, view) {
  const { id, parts } = await sample(row);
  const whole = view.whole.has(row);
  const body = view.tokens ? await tokenView(row, whole) : parts.map((part) => partView(part, view.hit, whole));
  const head = make("div", { class: "keys" }, make("h3", { id: `name-${row}` }, shown(id)), facts(row, view.columns));
  const article = make("article", { class: "sample", tabindex: "-1", "aria-labelledby": `name-${row}`, "data-row": row }, head, body);
  return make("li", {}, article);
}
