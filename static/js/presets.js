// <button data-preset="activities blocks">: sets the ten switches of its form to these being on. Without scripts the button
// sends the form, and the server does the same.

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button[data-preset]");
  if (!(button instanceof HTMLButtonElement) || !button.form) return;
  event.preventDefault();
  const on = new Set((button.dataset.preset ?? "").split(/\s+/));
  // In their order on the page each comes after those it needs, which by then have settled whether it can be chosen.
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (button.form.querySelectorAll("input[data-option]"))) {
    if (input.disabled) continue;
    input.checked = on.has(input.dataset.option ?? "");
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
  const news = button.form.querySelector("[data-preset-news]");
  if (news) news.textContent = `“${button.textContent?.trim()}” is set.`;
});
