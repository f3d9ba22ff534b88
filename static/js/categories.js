// Keeps what is chosen in a list that scrolls in view: <div data-chosen-in-view>. Only the list scrolls, never the page.

function showChosen() {
  for (const list of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-chosen-in-view]"))) {
    const chosen = list.querySelector("input:checked")?.closest("label");
    if (!chosen) continue;
    const box = list.getBoundingClientRect();
    const row = chosen.getBoundingClientRect();
    if (row.top >= box.top && row.bottom <= box.bottom) continue;
    list.scrollTop += row.top - box.top - (box.height - row.height) / 2;
  }
}

document.addEventListener("htmx:afterSwap", showChosen);
document.addEventListener("htmx:oobAfterSwap", showChosen);
showChosen();
