// <a href="…/cancel" data-opens="cancel-dialog"> opens that <dialog>. Without scripts, or in a new tab, the link leads to a
// page with the same confirmation. The browser handles focus, Escape and the backdrop.

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);

  const closer = target.closest("[data-closes]");
  if (closer) closer.closest("dialog")?.close();

  // A click whose target is the dialog element itself is on the backdrop or the margin.
  if (target instanceof HTMLDialogElement) {
    const box = target.getBoundingClientRect();
    const inside =
      event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) target.close();
  }

  const opener = /** @type {HTMLElement | null} */ (target.closest("[data-opens]"));
  if (!opener || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const dialog = document.getElementById(opener.dataset.opens ?? "");
  if (!(dialog instanceof HTMLDialogElement)) return;
  event.preventDefault();
  if (!dialog.open) dialog.showModal();
});
