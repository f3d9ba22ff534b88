// The key "/" moves the focus to the search field of this page, or else opens the search of the list of copies.
// People who speak to their computer or press keys by accident can switch it off in their preferences.

const KEY = "/";
const enabled = !document.documentElement.hasAttribute("data-no-shortcuts");

/** @param {EventTarget | null} target */
const isTyping = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));

function focusSearch() {
  const field = document.querySelector('main input[type="search"]:not([disabled])');
  if (!(field instanceof HTMLInputElement)) return false;
  field.focus();
  field.select();
  return true;
}

if (enabled) {
  document.addEventListener("keydown", (event) => {
    if (event.key !== KEY || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const list = document.documentElement.dataset.search;
    if (focusSearch()) event.preventDefault();
    else if (list) location.assign(`${list}#search`);
  });
}

if (location.hash === "#search") focusSearch();
