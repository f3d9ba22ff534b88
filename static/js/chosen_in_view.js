// Keeps the chosen entry of a scrolling list in view: <div data-chosen-in-view>. The page itself does not scroll.

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
