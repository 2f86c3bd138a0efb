// Turns on the page: what the reader said, and the answers with why and how they ended.

import { button, counted, make, number } from "./elements.js";
import { nameOf } from "./shelf.js";
import { copy } from "./transcript.js";

/** Of each ending its chip and the words for it. */
const ENDINGS = {
  stop: ["stop", "stopped by itself"],
  "other end": ["end token", "ended without the whole stop"],
  "asked end": ["asked end", "ended at a text that was asked for"],
  length: ["cut", "at its limit of tokens"],
};

/** A turn in the conversation. `acts` does what its buttons say: say, again, retry and keepOne. */
export class TurnView {
  constructor(turn, place, shelf, acts) {
    Object.assign(this, { turn, place, shelf, acts });
    this.said = make("div", { class: "said" });
    this.answers = make("div", { class: "answers" });
    this.element = make("li", { class: "turn" }, this.said, this.answers);
    this.showSaid();
    this.showAnswers();
  }

  showSaid() {
    const edit = button("Edit", () => this.edit(), { class: "quiet edit", "aria-label": `Edit: ${this.turn.text.slice(0, 40)}` });
    const text = make("div", { class: "text", dir: "auto" }, this.turn.text);
    this.said.replaceChildren(make("div", { class: "head" }, make("h3", { class: "who" }, "You"), make("div", { class: "acts" }, edit)), text);
  }

  /** Shows the turn's answers anew; gives their views. */
  showAnswers() {
    const { answers } = this.turn;
    this.element.classList.toggle("two", answers.length > 1);
    this.views = answers.map((answer, side) => new AnswerView(answer, this.shelf, this.actsOf(side)));
    this.answers.replaceChildren(...this.views.map((view) => view.element));
    return this.views;
  }

  actsOf(side) {
    const keep = this.turn.answers.length > 1 && (() => this.acts.keepOne(this.place, side));
    return { again: () => this.acts.again(this.place), retry: () => this.acts.retry(this.place, side), keep };
  }

  /** Lets the reader change what was said; the answer to it is a new one. */
  edit() {
    const field = make("textarea", { "aria-label": "Your message, edited", rows: 1, dir: "auto" });
    field.value = this.turn.text;
    const done = () => field.value.trim() && this.acts.say(this.place, field.value);
    const cancel = () => {
      this.showSaid();
      this.said.querySelector(".edit").focus();
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        done();
      } else if (event.key === "Escape") {
        event.stopPropagation();
        cancel();
      }
    });
    const row = make("div", { class: "row" }, button("Answer anew", done, { class: "go" }), button("Cancel", cancel));
    this.said.replaceChildren(make("h3", { class: "who" }, "You"), field, row);
    field.focus();
  }
}

/** An answer while it grows, and when it has ended. */
class AnswerView {
  constructor(answer, shelf, acts) {
    Object.assign(this, { answer, acts });
    this.name = make("h3", { class: "who" });
    this.text = document.createTextNode(answer.text);
    this.foot = make("footer");
    this.element = make("article", { class: "answer" }, this.name, make("div", { class: "text", dir: "auto" }, this.text), this.foot);
    this.element.style.setProperty("--voice", shelf.colour(answer.voice));
    this.show();
  }

  grow(piece) {
    this.text.appendData(piece);
  }

  /** Shows the state that the answer is in. */
  show() {
    const { voice, state, ended } = this.answer;
    const name = nameOf(voice) + routed(voice, ended);
    this.name.replaceChildren(make("span", { class: "dot" }), name);
    this.element.setAttribute("aria-label", `Answer of ${name}`);
    this.element.setAttribute("aria-busy", String(state === "growing"));
    this.element.dataset.state = state;
    const shown = { growing: () => [], ended: () => this.ending(), stopped: () => this.stopped(), failed: () => this.failure() };
    this.foot.replaceChildren(...shown[state]());
  }

  /** How it went, for those who hear the page. */
  inWords() {
    const { ended, state, error } = this.answer;
    const how = ended && [counted(ended.tokens ?? 0, "token"), (ENDINGS[ended.ending] ?? [])[1] ?? ended.ending].join(", ");
    return `${this.element.getAttribute("aria-label")}: ${how ?? error?.words ?? state}.`;
  }

  ending() {
    const { ended, sampling } = this.answer;
    const [chip, words] = ENDINGS[ended.ending] ?? [ended.ending, `ended: ${ended.ending}`];
    const kind = ended.ending === "length" ? "chip cut" : "chip stop";
    const figures = make("span", { class: "figures", title: `${number(ended.seconds, 2)} s in all, seed ${sampling.seed}` }, figuresOf(ended));
    return [make("p", { class: "why" }, make("b", { class: kind }, chip), make("span", {}, words), figures), this.buttons()];
  }

  stopped() {
    return [make("p", { class: "why" }, make("b", { class: "chip cut" }, "stopped"), make("span", {}, "by you")), this.buttons()];
  }

  failure() {
    const { words, seconds } = this.answer.error;
    const retry = button("Try again", () => this.acts.retry());
    if (seconds) wait(retry, seconds);
    return [make("p", { class: "error", role: "alert" }, words), make("div", { class: "acts shown" }, retry)];
  }

  buttons() {
    const { again, keep } = this.acts;
    const copied = button("Copy", (event) => copy(this.answer.text, event.currentTarget), { class: "quiet" });
    const kept = keep && button("Keep this one", keep, { class: "quiet" });
    return make("div", { class: "acts" }, copied, button("Again", again, { class: "quiet again" }), kept);
  }
}

/** Whom the router chose, and how sure it was. */
function routed({ model }, ended) {
  if (model !== "auto" || !ended?.model || ended.model === model) return "";
  const share = ended.shares?.[ended.model];
  return ` → ${ended.model}${share === undefined ? "" : ` (${number(100 * share)} %)`}`;
}

/** The tokens of an answer, how fast they came, and after how long the first. */
function figuresOf({ tokens, seconds, seconds_to_first: first, left_out: forgotten }) {
  const parts = [];
  if (tokens !== undefined) parts.push(counted(tokens, "token"));
  if (tokens > 1 && first !== undefined && seconds > first) parts.push(`${number((tokens - 1) / (seconds - first), 1)} tokens/s`);
  if (first !== undefined) parts.push(`first after ${number(first, 2)} s`);
  if (forgotten) parts.push(`without the first ${counted(forgotten, "message")}, for which there was no room`);
  return parts.join(" · ");
}

/** Lets a button be pressed when the seconds are over for which the server asked, and counts them down. */
function wait(retry, seconds) {
  const words = retry.textContent;
  const until = performance.now() + 1000 * seconds;
  const show = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    retry.disabled = left > 0;
    retry.textContent = left > 0 ? `${words} in ${left} s` : words;
    if (left > 0) setTimeout(() => retry.isConnected && show(), 250);
  };
  show();
}
