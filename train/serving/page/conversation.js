// The conversation: what was said, who answered, and what stays when the page is loaded anew.

import { keep, kept } from "./storage.js";

/**
 * Turns in their order: { text, answers }. A turn has one answer, or two of voices that are compared. An answer:
 *
 *   voice     who was asked: { model } or { model, mix: { name: weight } }
 *   sampling  what was asked for besides: temperature, ..., and the seed
 *   system    the system text before it all, where there is one
 *   text      what was answered, so far
 *   state     "growing", "ended", "stopped" by the reader, or "failed"
 *   ended     of one that ended: why (`ending`), tokens, seconds, seconds_to_first, model
 *   error     of one that failed: { words, status, seconds }
 */
export class Conversation {
  constructor(turns = []) {
    this.turns = turns;
  }

  /** Adds what the reader says, and gives its place. */
  add(text) {
    return this.turns.push({ text, answers: [] }) - 1;
  }

  /** Takes all away that was said after this turn. */
  cutBehind(place) {
    this.turns.length = place + 1;
  }

  /** The messages before the answer at this place, as the voice on this side heard them: where two answered, its own answers. */
  messages(place, side) {
    const said = [];
    for (const { text, answers } of this.turns.slice(0, place)) {
      const answer = answers[side] ?? answers[0];
      // A server takes no empty messages: what was not answered is left out as a whole.
      if (answer?.text.trim()) said.push({ role: "user", content: text }, { role: "assistant", content: answer.text });
    }
    return [...said, { role: "user", content: this.turns[place].text }];
  }

  /** Keeps the conversation for this tab. */
  remember() {
    keep("conversation", this.turns);
  }

  /** The conversation that this tab had before; answers that grew when it was left ended there. */
  static recalled() {
    const turns = kept("conversation") ?? [];
    for (const answer of turns.flatMap(({ answers }) => answers)) if (answer.state === "growing") answer.state = "stopped";
    return new Conversation(turns);
  }
}
