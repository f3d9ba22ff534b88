// The search for a source course: <input data-picks="results-id"> and, below it, what was found as plain radios
// (components/_course_choices.html). They need no script; this only adds what fingers expect of a search:
// arrow down goes to what was found, arrow up from the first goes back, Enter searches and does not send the form.

/** @param {string | undefined} id @returns {HTMLInputElement[]} */
const radiosIn = (id) => [
  .../** @type {NodeListOf<HTMLInputElement>} */ (
    document.getElementById(id ?? "")?.querySelectorAll("input[type=radio]:not(:disabled)") ?? []
  ),
];

document.addEventListener("keydown", (event) => {
  const at = /** @type {HTMLElement} */ (event.target);

  if (at.matches("[data-picks]")) {
    if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      at.dispatchEvent(new CustomEvent("search", { bubbles: true }));
    }
    if (event.key !== "ArrowDown") return;
    const radios = radiosIn(at.dataset.picks);
    const first = radios.find((radio) => radio.checked) ?? radios[0];
    if (!first) return;
    event.preventDefault();
    first.focus();
    return;
  }

  if (event.key !== "ArrowUp" || !at.matches("input[type=radio]")) return;
  for (const search of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-picks]"))) {
    if (radiosIn(search.dataset.picks)[0] !== at) continue;
    event.preventDefault();
    search.focus();
  }
});

// Whoever chooses while a search is still under way has found it: its answer would bring back what was chosen before.
document.addEventListener("change", (event) => {
  const at = /** @type {HTMLElement} */ (event.target);
  if (!at.matches("input[type=radio]")) return;
  for (const search of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-picks]"))) {
    if (document.getElementById(search.dataset.picks ?? "")?.contains(at)) {
      search.dispatchEvent(new CustomEvent("htmx:abort", { bubbles: true, detail: { elt: search } }));
    }
  }
});
