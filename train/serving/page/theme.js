// Light, dark, or as the reader's system has it; kept in this browser.

import { byId } from "./elements.js";

const PLACE = "lorum.theme";
const THEMES = ["auto", "light", "dark"];

/** Shows the theme that was chosen before, and goes to the next one with each press. */
export function beginThemes() {
  let theme = "auto";
  try {
    theme = THEMES.find((name) => name === localStorage.getItem(PLACE)) ?? theme;
  } catch {
    // A browser that forbids storage has the theme of its system.
  }
  const show = () => {
    document.documentElement.dataset.theme = theme;
    byId("theme-now").textContent = theme;
  };
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    show();
    try {
      localStorage.setItem(PLACE, theme);
    } catch {
      // See above.
    }
  });
  show();
}
