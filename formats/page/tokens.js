// Samples as the base model's tokenizer cut them, with their loss mask.

const MOST_TOKENS = 1500;
const MORE_TOKENS = 20000; // each time that more are asked for: all of a very long sample would stop the page

const tokenTable = remembering(async () => JSON.parse(new TextDecoder().decode(await unpack(await arrived("token-table")))), 1);
const tokenChunk = remembering(loadTokens, 8);

/** The variable-length integers (LEB128) of a chunk's tokens. */
function integers(bytes) {
  const values = new Uint32Array(bytes.length);
  let [count, value, place] = [0, 0, 0];
  for (const byte of bytes) {
    value |= (byte & 127) << place;
    place += 7;
    if (byte < 128) {
      values[count++] = value;
      [value, place] = [0, 0];
    }
  }
  return values.subarray(0, count);
}

/** Of each sample of a chunk: its tokens' numbers, how many of them are the prompt and how many the stop. */
async function loadTokens(number) {
  const values = integers(await unpack(await arrived(`tokens-${number}`)));
  const rows = (meta.starts[number + 1] ?? meta.rows) - meta.starts[number];
  const found = [];
  let begin = 3 * rows;
  for (let row = 0; row < rows; row++) {
    const [length, prompt, stop] = values.subarray(3 * row, 3 * row + 3);
    found.push({ tokens: values.subarray(begin, begin + length), prompt, stop });
    begin += length;
  }
  return found;
}

async function tokensOf(row) {
  const number = chunkOf(row);
  return (await tokenChunk(number))[row - meta.starts[number]];
}

/** A token's text with its blanks seen. */
function tokenText(text) {
  return marked(text.replaceAll(" ", "␣").replaceAll("\n", "↵").replaceAll("\t", "⇥"));
}

/** How many tokens the sample has where, and its last ones as boxes, in groups by their loss: prompt, reply, stop. */
async function tokenView(row, more) {
  const [{ tokens, prompt, stop }, table] = [await tokensOf(row), await tokenTable(0)];
  const special = new Set(table.special);
  const hidden = Math.max(0, tokens.length - MOST_TOKENS - more * MORE_TOKENS); // of the beginning: the reply is at the end
  const box = (token, look) => make("span", { class: `tok${look}${special.has(token) ? " special" : ""}` },
    make("bdi", {}, tokenText(table.texts[token])), make("i", { "aria-hidden": "true" }, String(table.ids[token])));
  const group = (begin, end, look, words) => begin < end && make("div", { role: "group", "aria-label": `${words}, ${counted(end - begin, "token")}` },
    Array.from(tokens.subarray(Math.max(hidden, begin), end), (token) => box(token, look)));
  const stops = tokens.length - stop;
  const told = `${number(prompt)} of the prompt without loss + ${number(tokens.length - prompt - stop)} of the reply + ${number(stop)} of the stop`;
  return [make("p", { class: "told" }, told), make("div", { class: "tokens" },
    hidden > 0 && make("button", { type: "button", class: "whole" }, `${number(hidden)} tokens before`),
    group(0, prompt, "", "prompt without loss"), group(prompt, stops, " learned", "reply with loss"), group(stops, tokens.length, " learned stop", "stop with loss"))];
}
