// What the page keeps for itself: in this tab, or in this browser. A storage that is full or forbidden costs no more than the keeping.

/** Keeps a value under a name, for as long as this tab is open. */
export function keep(name, value) {
  try {
    sessionStorage.setItem(`lorum.${name}`, JSON.stringify(value));
  } catch {
    // See above.
  }
}

/** What was kept under a name; null where there is nothing, or nothing that can be read. */
export function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(`lorum.${name}`));
  } catch {
    return null;
  }
}
