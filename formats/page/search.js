// Searches the samples' texts, chunk by chunk, so that the page stays alive while it does.

const SLICE_MS = 24;
const KINDS = {
  "": (kind) => kind !== BOUNDARY && kind !== STOP,
  reply: (kind) => kind === REPLY,
  context: (kind) => kind === SYSTEM || kind >= BOT_BEFORE,
};

/** What the query matches: its words as they stand, letters large or small, any white space for a blank. */
function pattern(query) {
  const words = query.trim().split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  return new RegExp(words.map((word) => word.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("\\s+"), "giu");
}

/** Lets the browser do what waits: input, reading the rest of the page, drawing. */
const breathe = () => new Promise((done) => setTimeout(done));

/**
 * Marks the samples in which the query stands, or whose id it is.
 *
 * `found` holds 1 for each such sample. `tell(share)` is called now and then; `wanted()` says whether somebody still waits.
 */
async function search(query, where, found, tell, wanted) {
  const hit = pattern(query);
  const test = new RegExp(hit.source, "iu");
  const counts = KINDS[where];
  let since = performance.now();
  for (let number = 0; number < meta.starts.length; number++) {
    const { ids, texts, rows } = await loadChunk(number);
    const inText = texts.map((text) => test.test(text));
    rows.forEach((parts, at) => {
      let holds = ids[at] === query.trim();
      for (let part = 0; part < parts.length && !holds; part += 2) holds = inText[parts[part + 1]] && counts(parts[part]);
      if (holds) found[meta.starts[number] + at] = 1;
    });
    if (performance.now() - since > SLICE_MS) {
      await breathe();
      if (!wanted()) return false;
      tell((number + 1) / meta.starts.length);
      since = performance.now();
    }
  }
  return wanted();
}
