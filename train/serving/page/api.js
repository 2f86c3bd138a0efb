// What the page asks of its server: who can answer, and answers piece by piece.

/** Why there is no answer: in words, with the HTTP status (0: no connection) and the seconds to wait, where the server names them. */
export class ServerError extends Error {
  constructor(words, status = 0, seconds = null) {
    super(words);
    this.status = status;
    this.seconds = seconds;
  }
}

const GONE = "The server cannot be reached. Is it still running?";
const BROKEN = "The connection broke off before the answer was whole.";
const UNKNOWN_ENDING = "The answer came to its end without a reason.";

let key = "";

/** Sends this key along from now on. */
export function useKey(given) {
  key = given;
}

/** The models that can answer, as the server lists them. */
export async function listModels() {
  const response = await ask("/v1/models");
  return (await response.json()).data;
}

/**
 * Asks for an answer and calls `grow` with each of its pieces.
 *
 * Gives why and how it ended: { ending, tokens, seconds, seconds_to_first, model, left_out, shares }. What the server does not say of itself
 * is measured here, or undefined. Throws ServerError, or the signal's AbortError.
 */
export async function answer(request, signal, grow) {
  const begun = performance.now();
  const since = () => (performance.now() - begun) / 1000;
  const ended = {};
  const response = await ask("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  for await (const chunk of chunks(response.body)) {
    if (chunk.error) throw new ServerError(chunk.error.message ?? BROKEN, chunk.error.status ?? 500);
    const choice = chunk.choices?.[0];
    if (choice?.delta?.content) {
      ended.seconds_to_first ??= since();
      grow(choice.delta.content);
    }
    if (choice?.finish_reason) ended.ending ??= choice.finish_reason;
    if (chunk.model) ended.model = chunk.model;
    if (chunk.usage) ended.tokens = chunk.usage.completion_tokens;
    Object.assign(ended, chunk.lorum);
  }
  if (!ended.ending) throw new ServerError(ended.seconds_to_first === undefined ? UNKNOWN_ENDING : BROKEN);
  return { seconds: since(), ...ended };
}

async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    throw error.name === "AbortError" ? error : new ServerError(GONE);
  }
  if (response.ok) return response;
  throw await refusal(response);
}

/** The error that a refusal stands for; its words are the server's where it has some. */
async function refusal(response) {
  const body = await response.json().catch(() => null);
  const words = body?.error?.message ?? `The server answered with ${response.status} ${response.statusText}.`;
  const wait = Number(response.headers.get("Retry-After") ?? NaN);
  return new ServerError(words, response.status, Number.isFinite(wait) ? wait : null);
}

/** The JSON of each server-sent event, but of the one that says that all were sent. */
async function* chunks(body) {
  for await (const line of lines(body)) {
    if (!line.startsWith("data:")) continue;
    const data = line.slice(5).trim();
    // The stream is read to its end behind the last event too: a connection that is left early cannot be used again.
    if (data !== "[DONE]") yield JSON.parse(data);
  }
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) break;
      const parts = (rest + value).split(/\r?\n/);
      rest = parts.pop();
      yield* parts;
    }
  } catch (error) {
    throw error.name === "AbortError" ? error : new ServerError(BROKEN);
  } finally {
    void reader.cancel().catch(() => {});
  }
  if (rest) yield rest;
}
