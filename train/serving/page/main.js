// Puts the page together: who can answer, the talk, and the keys.

import { withKey } from "./answering.js";
import { listModels } from "./api.js";
import { Chooser } from "./chooser.js";
import { button, byId, counted, make } from "./elements.js";
import { card } from "./facts.js";
import { beginSampling, openPanel, showOwn } from "./sampling.js";
import { Shelf, madeOf } from "./shelf.js";
import { Talk } from "./talk.js";
import { beginThemes } from "./theme.js";
import { copy, save, transcript } from "./transcript.js";

let talk = null;

/** Asks who can answer, and lets the talk begin; where the server does not say, the reader can ask again. */
async function meet() {
  byId("server").textContent = "Asking the server …";
  let models;
  try {
    models = await withKey(listModels);
  } catch (error) {
    byId("server").textContent = "No answer from the server";
    byId("empty").replaceChildren(make("p", { class: "error", role: "alert" }, String(error.message)), button("Try again", meet));
    byId("empty").hidden = false;
    return;
  }
  const shelf = new Shelf(models);
  const chooser = new Chooser(shelf, (voices) => showVoices(voices, shelf));
  byId("voices").replaceChildren(...chooser.elements);
  byId("server").textContent = [counted(shelf.adapters.length, "adapter"), shelf.model("base")?.base].filter(Boolean).join(" on ");
  talk = new Talk(shelf, chooser, () => changed(shelf, chooser));
  talk.show();
  byId("send").disabled = false;
  byId("text").focus();
  document.documentElement.dataset.ready = "yes";
}

function showVoices(voices, shelf) {
  const ids = [...new Set(voices.flatMap(madeOf))];
  byId("facts").replaceChildren(...ids.map((id) => card(shelf.model(id), shelf)));
  showOwn(ids.map((id) => shelf.model(id)));
}

/** Shows the buttons that can be pressed now, and where nothing was said yet, who can answer. */
function changed(shelf, chooser) {
  const runs = talk.running !== null;
  const none = talk.conversation.turns.length === 0;
  document.body.classList.toggle("running", runs);
  byId("send").hidden = runs;
  byId("stop").hidden = !runs;
  for (const id of ["new", "copy", "save"]) byId(id).disabled = none || runs;
  byId("empty").hidden = !none;
  if (none) showWho(shelf, chooser);
}

function showWho(shelf, chooser) {
  const choose = ({ id }) => {
    chooser.choose({ model: id });
    byId("text").focus();
  };
  const cards = shelf.models.map((model) => card(model, shelf, () => choose(model)));
  const back = talk.before?.turns.length && button("Bring back the last conversation", () => talk.bringBack());
  byId("empty").replaceChildren(make("h2", {}, "Who shall answer?"), make("div", { class: "cards" }, cards), make("p", {}, back || undefined));
}

function send() {
  const text = byId("text").value.trim();
  if (text && talk && talk.saySomething(text)) byId("text").value = "";
}

function stop() {
  const stopped = talk?.stop() ?? false;
  if (stopped) byId("text").focus();
  return stopped;
}

function listen() {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  byId("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && byId("text").value === "" && talk?.views.length) {
      event.preventDefault();
      talk.editLast();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !byId("key").open && !stop()) openPanel(false);
  });
  byId("stop").addEventListener("click", stop);
  byId("new").addEventListener("click", () => {
    talk.renew();
    byId("text").focus();
  });
  byId("copy").addEventListener("click", (event) => copy(transcript(talk.conversation), event.currentTarget));
  byId("save").addEventListener("click", () => save(transcript(talk.conversation), "conversation.json"));
  byId("panel-open").addEventListener("click", () => openPanel(!byId("panel").classList.contains("open")));
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("text").focus();
  });
}

beginThemes();
beginSampling();
listen();
void meet();
