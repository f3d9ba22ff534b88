// Adds keys to the search for a source course (<input data-picks="results-id"> with radio buttons below it, see
// components/_course_choices.html). Arrow down goes to the results, arrow up from the first result goes back, and Enter
// searches instead of sending the form.

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

// A choice ends a search that still runs, because its answer would restore the earlier choice.
document.addEventListener("change", (event) => {
  const at = /** @type {HTMLElement} */ (event.target);
  if (!at.matches("input[type=radio]")) return;
  for (const search of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-picks]"))) {
    if (document.getElementById(search.dataset.picks ?? "")?.contains(at)) {
      search.dispatchEvent(new CustomEvent("htmx:abort", { bubbles: true, detail: { elt: search } }));
    }
  }
});
