// The talk: what the reader says, has answered, stops, changes and keeps.

import { begun, fill } from "./answering.js";
import { Conversation } from "./conversation.js";
import { byId, tell } from "./elements.js";
import { readSampling, systemText } from "./sampling.js";
import { TurnView } from "./turns.js";

const FOLLOWS_WITHIN = 60; // pixels above the end of the conversation, within which the reader is taken along

/** The conversation on the page. `changed` is called when it begins to be answered, was answered, or is another one. */
export class Talk {
  constructor(shelf, chooser, changed) {
    Object.assign(this, { shelf, chooser, changed });
    this.conversation = Conversation.recalled();
    this.before = null;
    this.running = null;
    this.follows = true;
    this.drawing = 0;
    byId("scroller").addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = byId("scroller");
      this.follows = scrollHeight - scrollTop - clientHeight < FOLLOWS_WITHIN;
    });
  }

  /** Shows the whole conversation anew. */
  show() {
    this.views = this.conversation.turns.map((turn, place) => new TurnView(turn, place, this.shelf, this));
    byId("turns").replaceChildren(...this.views.map((view) => view.element));
    this.changed();
    this.takeAlong();
  }

  /** Puts the conversation away for an empty one. */
  renew() {
    this.exchange(new Conversation());
  }

  /** Takes the conversation back that was put away last. */
  bringBack() {
    this.exchange(this.before);
  }

  exchange(other) {
    if (this.running) return;
    this.before = this.conversation;
    this.conversation = other;
    other.remember();
    this.show();
  }

  /** Says something at the end; whether it was taken. */
  saySomething(text) {
    return this.say(this.conversation.turns.length, text);
  }

  /** Says something at a place, instead of what was said there and of all behind it, and has it answered; whether it was taken. */
  say(place, text) {
    const sampling = this.running ? null : readSampling();
    if (!sampling) return false;
    if (place === this.conversation.turns.length) this.conversation.add(text);
    this.conversation.cutBehind(place);
    const turn = this.conversation.turns[place];
    turn.text = text;
    turn.answers = this.chooser.voices.map((voice) => begun(voice, sampling, systemText(this.shelf.model(voice.model))));
    for (const view of this.views.splice(place)) view.element.remove();
    this.views.push(new TurnView(turn, place, this.shelf, this));
    byId("turns").append(this.views[place].element);
    this.follows = true;
    void this.run(place, [...turn.answers.keys()]);
    return true;
  }

  /** Has a turn answered once more, by whoever is chosen now. */
  again(place) {
    this.say(place, this.conversation.turns[place].text);
  }

  /** Has one answer of a turn given once more, as it was asked for. */
  retry(place, side) {
    if (this.running) return;
    const { answers } = this.conversation.turns[place];
    const { voice, sampling, system } = answers[side];
    answers[side] = begun(voice, sampling, system);
    this.views[place].showAnswers();
    void this.run(place, [side]);
  }

  /** Goes on with one of two answers alone. */
  keepOne(place, side) {
    if (this.running) return;
    const turn = this.conversation.turns[place];
    turn.answers = [turn.answers[side]];
    this.views[place].showAnswers();
    this.conversation.remember();
  }

  /** Lets the reader change what was said last. */
  editLast() {
    if (!this.running) this.views.at(-1)?.edit();
  }

  /** Ends the answers that grow where they are; whether there were any. */
  stop() {
    this.running?.abort();
    return this.running !== null;
  }

  /** Has the answers on these sides of a turn given, all at once. */
  async run(place, sides) {
    this.running = new AbortController();
    this.changed();
    const { turn, views } = this.views[place];
    await Promise.all(sides.map((side) => this.answer(place, side, turn.answers[side], views[side])));
    this.running = null;
    this.conversation.remember();
    this.changed();
    tell(sides.map((side) => views[side].inWords()).join(" "));
  }

  async answer(place, side, answer, view) {
    this.takeAlong();
    const grow = (piece) => {
      view.grow(piece);
      this.takeAlong();
    };
    await fill(answer, this.conversation.messages(place, side), this.running.signal, grow);
    view.show();
    this.takeAlong();
  }

  /** Takes a reader who is at the end of the conversation along to its new end, once before the next picture. */
  takeAlong() {
    if (!this.follows || this.drawing || !this.views.length) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      byId("scroller").scrollTop = byId("scroller").scrollHeight;
    });
  }
}
