// Fills in the names that <button data-suggests="id of the source" data-fullname data-shortname> suggests: after a click,
// and automatically while both fields are empty. Without scripts the button sends the form and the server fills them in.

const NAMES = /** @type {const} */ (["fullname", "shortname"]);

/** @type {Map<string, string>} what was filled in automatically: another source may replace it */
const filled = new Map();
/** @type {string | undefined} */
let last;

/** @param {HTMLButtonElement} button @param {(input: HTMLInputElement) => boolean} wanted */
function fill(button, wanted) {
  for (const name of NAMES) {
    const input = button.form?.elements.namedItem(name);
    const value = button.dataset[name] ?? "";
    if (!(input instanceof HTMLInputElement) || !wanted(input) || input.value === value) continue;
    input.value = value;
    filled.set(name, value);
    // The same events as after typing, so that the name is checked and the preview is updated.
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

// <button data-fills="shortname" data-value="…"> puts a value into one field.
document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button[data-fills]");
  if (!(button instanceof HTMLButtonElement)) return;
  // Without scripts it may send the form, and the server fills the field in.
  event.preventDefault();
  const input = button.form?.elements.namedItem(button.dataset.fills ?? "");
  if (!(input instanceof HTMLInputElement)) return;
  input.value = button.dataset.value ?? "";
  input.focus();
  input.dispatchEvent(new Event("input", { bubbles: true }));
  input.dispatchEvent(new Event("change", { bubbles: true }));
});

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button[data-suggests]");
  if (!(button instanceof HTMLButtonElement)) return;
  event.preventDefault();
  fill(button, () => true);
});

// The visibility of the copy follows that of the source until a person sets it.
let visibilityChosen = false;
document.addEventListener("change", (event) => {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (input.name === "visible" && event.isTrusted) visibilityChosen = true;
});

/** @type {string | undefined} */
let shownSource;

function followVisibility() {
  const source = document.getElementById("name-suggestion");
  const input = /** @type {HTMLInputElement | null} */ (document.querySelector("#copy-target input[name=visible]"));
  if (!source?.dataset.source || !input || source.dataset.source === shownSource) return;
  const first = shownSource === undefined;
  shownSource = source.dataset.source;
  const asked = /** @type {HTMLInputElement | null} */ (document.querySelector("input[name=visible_for]"));
  // The server has already set the visibility for this source.
  if (first && asked?.value === shownSource) return;
  if (asked) asked.value = shownSource;
  if (visibilityChosen) return;
  const wanted = !source.hasAttribute("data-hidden");
  if (input.checked === wanted) return;
  input.checked = wanted;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("htmx:afterSettle", () => {
  followVisibility();
  const button = document.querySelector("button[data-suggests]");
  if (!(button instanceof HTMLButtonElement) || button.dataset.suggests === last) return;
  last = button.dataset.suggests;
  // The field is not changed while a person types in it.
  const untouched = (/** @type {HTMLInputElement} */ input) => input.value === "" && input !== document.activeElement;
  fill(button, (input) => untouched(input) || input.value === filled.get(input.name));
});
