// The conversation as JSON that can be taken along: who was asked, how, what was answered, and why it ended.

import { byId, make, tell } from "./elements.js";

/** The transcript of a conversation, as JSON. */
export function transcript(conversation) {
  const answers = (turn) =>
    turn.answers.map(({ voice, sampling, system, text, state, ended = {}, error }) => ({
      ...voice,
      answered_by: ended.model,
      text,
      ending: state === "ended" ? ended.ending : state,
      tokens: ended.tokens,
      seconds: ended.seconds,
      seconds_to_first: ended.seconds_to_first,
      sampling,
      system,
      error: error?.words,
    }));
  const turns = conversation.turns.map((turn) => ({ text: turn.text, answers: answers(turn) }));
  return JSON.stringify({ made_by: "lorum serve", saved_at: new Date().toISOString(), turns }, null, 2) + "\n";
}

/** Saves a text as a file of the reader's. */
export function save(text, name) {
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Copies a text; what was copied is said on the button for a moment. */
export async function copy(text, pressed) {
  const done = await copied(text);
  const before = pressed.dataset.words ?? pressed.textContent;
  pressed.dataset.words = before;
  pressed.textContent = done ? "Copied" : "Not copied";
  tell(pressed.textContent);
  setTimeout(() => (pressed.textContent = before), 1500);
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedByHand(text);
  }
}

/** Copies as browsers do where the page does not come from this computer and not over TLS: out of a field. */
function copiedByHand(text) {
  const field = make("textarea", { class: "unseen", "aria-hidden": "true", tabindex: "-1" });
  field.value = text;
  const focused = document.activeElement;
  byId("told").after(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return done;
}
