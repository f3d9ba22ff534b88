// Names for the copy: <button data-suggests="id of the source" data-fullname data-shortname> fills them in when it is pressed,
// and by itself where nothing was typed yet. Without scripts the button sends the form, and the server fills them in.

const NAMES = /** @type {const} */ (["fullname", "shortname"]);

/** @type {Map<string, string>} what was filled in by itself: another source may replace it */
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
    // Whether it is free is asked as if it had been typed.
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button[data-suggests]");
  if (!(button instanceof HTMLButtonElement)) return;
  event.preventDefault();
  fill(button, () => true);
});

document.addEventListener("htmx:afterSettle", () => {
  const button = document.querySelector("button[data-suggests]");
  if (!(button instanceof HTMLButtonElement) || button.dataset.suggests === last) return;
  last = button.dataset.suggests;
  // Not under the fingers of somebody who has begun to type there.
  const untouched = (/** @type {HTMLInputElement} */ input) => input.value === "" && input !== document.activeElement;
  fill(button, (input) => untouched(input) || input.value === filled.get(input.name));
});
