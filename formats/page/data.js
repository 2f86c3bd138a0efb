// What the page holds: facts, columns of numbers, and chunks of samples, unpacked when they are asked for.

const meta = JSON.parse(document.getElementById("meta").textContent);
const UNKNOWN = -(2 ** 31);
const KEPT_CHUNKS = 24;

const byId = (id) => document.getElementById(id);

/** The bytes of a Base64 text of deflated data. */
async function unpack(base64) {
  const packed = Uint8Array.fromBase64 ? Uint8Array.fromBase64(base64) : Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter();
  writer.write(packed).catch(() => {}); // what is wrong with the data is told by the reading side
  writer.close().catch(() => {});
  const parts = [];
  for await (const part of pieces(stream.readable)) parts.push(part);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((begin, part) => (bytes.set(part, begin), begin + part.length), 0);
  return bytes;
}

/** What comes out of a stream; not every browser iterates over streams. */
async function* pieces(stream) {
  const reader = stream.getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) yield value;
}

/** The numbers of each column by name; every one is an Int32Array with a number for each sample. */
async function unpackColumns() {
  const columns = {};
  for (const name of meta.columns) {
    const bytes = await unpack(byId(`column-${name}`).textContent);
    columns[name] = new Int32Array(bytes.buffer, 0, bytes.length / 4);
  }
  return columns;
}

/** The element's text, once the browser has read so far: a large page shows its first samples while the rest is still coming. */
async function arrived(id) {
  let element = byId(id);
  while (!(element && (element.nextElementSibling || document.readyState !== "loading"))) {
    if (!element && document.readyState === "complete") throw new Error("the page is incomplete: its file was cut off");
    await new Promise((done) => setTimeout(done, 20));
    element = byId(id);
  }
  return element.textContent;
}

/** Remembers the last few results of an asynchronous function of one number. */
function remembering(load, most) {
  const known = new Map();
  return (number) => {
    const found = known.get(number) ?? load(number);
    known.delete(number);
    known.set(number, found);
    if (known.size > most) known.delete(known.keys().next().value);
    return found;
  };
}

/** A chunk of samples: `ids`, the distinct `texts`, and of each sample in `rows` kind and text of its parts, one after the other. */
async function loadChunk(number) {
  return JSON.parse(new TextDecoder().decode(await unpack(await arrived(`samples-${number}`))));
}

const chunk = remembering(loadChunk, KEPT_CHUNKS);

/** The number of the chunk that holds a sample. */
function chunkOf(row) {
  let low = 0;
  let high = meta.starts.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (meta.starts[middle] <= row) low = middle;
    else high = middle;
  }
  return low;
}

/** A sample's id and its parts, in order. */
async function sample(row) {
  const number = chunkOf(row);
  const { ids, texts, rows } = await chunk(number);
  const at = row - meta.starts[number];
  const parts = [];
  for (let part = 0; part < rows[at].length; part += 2) parts.push({ kind: rows[at][part], text: texts[rows[at][part + 1]] });
  return { id: ids[at], parts };
}
