// Has answers given: asks the server, fills them while they grow, and asks the reader for a key where one is needed.

import { ServerError, answer as ask, useKey } from "./api.js";
import { byId } from "./elements.js";

/** An answer that is asked for now. */
export function begun(voice, sampling, system) {
  return { voice, sampling, system, text: "", state: "growing" };
}

/** Fills an answer to these messages, behind its system text, until it has ended, the signal stops it or it fails, all of which it says itself. */
export async function fill(answer, messages, signal, grow) {
  const system = answer.system ? [{ role: "system", content: answer.system }] : [];
  try {
    answer.ended = await withKey(() =>
      ask({ ...answer.voice, messages: [...system, ...messages], ...answer.sampling }, signal, (piece) => {
        answer.text += piece;
        grow(piece);
      }),
    );
    answer.state = "ended";
  } catch (error) {
    if (error.name === "AbortError") {
      answer.state = "stopped";
      return;
    }
    answer.state = "failed";
    answer.error = { words: String(error.message), status: error.status ?? null, seconds: error.seconds ?? null };
  }
}

/** Does what needs the server's key, once more with each key that the reader gives. */
export async function withKey(act) {
  while (true) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof ServerError) || error.status !== 401 || !(await keyGiven())) throw error;
    }
  }
}

let asking = null;

/** Asks the reader for a key, once for all who wait for it; false where none is given. */
function keyGiven() {
  asking ??= new Promise((resolve) => {
    const dialog = byId("key");
    const field = byId("key-field");
    field.value = "";
    dialog.returnValue = "";
    byId("key-cancel").onclick = () => dialog.close();
    dialog.addEventListener(
      "close",
      () => {
        const given = dialog.returnValue === "use";
        if (given) useKey(field.value);
        field.value = "";
        asking = null;
        resolve(given);
      },
      { once: true },
    );
    dialog.showModal();
  });
  return asking;
}
