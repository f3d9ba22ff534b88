// Manages the selected checkboxes of a list (<form data-remembers-ticks>, each with its own id): one checkbox selects all
// of a page, a line shows the number, and the selection is kept when the list is reloaded. It is stored for this URL in
// this tab. The form works without this module.

const KEY = "dupdash:ticks";

/** @param {HTMLFormElement} form @returns {HTMLInputElement[]} */
const ticksOf = (form) => [...form.querySelectorAll("input[type=checkbox][name][id]")].map((tick) => /** @type {HTMLInputElement} */ (tick));

/** @returns {string[]} the ids of what was ticked on this page */
function remembered() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
    return kept.address === location.href ? kept.ids : [];
  } catch {
    return [];
  }
}

/** @param {HTMLFormElement} form */
function tell(form) {
  const ticks = ticksOf(form);
  const ticked = ticks.filter((tick) => tick.checked);
  const everything = /** @type {HTMLInputElement | null} */ (form.querySelector("[data-ticks-everything]"));
  const all = /** @type {HTMLInputElement | null} */ (form.querySelector("[data-ticks-all]"));
  const words = form.querySelector("[data-ticked]");
  if (all) {
    all.checked = ticks.length > 0 && ticked.length === ticks.length;
    all.indeterminate = !all.checked && ticked.length > 0;
  }
  if (words) words.textContent = everything?.checked ? "All selected" : ticked.length ? `${ticked.length} selected` : "";
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ address: location.href, ids: ticked.map((tick) => tick.id) }));
  } catch {
    // Without storage the browser forgets the selection when the page is reloaded.
  }
}

/** @param {string[]} ids */
function tickAgain(ids) {
  for (const form of document.querySelectorAll("form[data-remembers-ticks]")) {
    for (const tick of ticksOf(/** @type {HTMLFormElement} */ (form))) tick.checked ||= ids.includes(tick.id);
    tell(/** @type {HTMLFormElement} */ (form));
  }
}

document.addEventListener("change", (event) => {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (!input.form?.hasAttribute("data-remembers-ticks")) return;
  if (input.hasAttribute("data-ticks-all")) for (const tick of ticksOf(input.form)) tick.checked = input.checked;
  tell(input.form);
});

/** @type {string[]} */
let before = [];
document.addEventListener("htmx:beforeSwap", () => {
  before = [...document.querySelectorAll("form[data-remembers-ticks] input[id]:checked")].map((tick) => tick.id);
});
// This runs after htmx has set the new URL, under which the selection is stored.
document.addEventListener("htmx:afterSettle", () => tickAgain(before));
// The browser may have restored the checkboxes after "back".
window.addEventListener("pageshow", () => tickAgain(remembered()));
