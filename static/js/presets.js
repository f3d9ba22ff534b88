// <button data-preset="activities blocks"> switches these options of its form on and the others off. Without scripts the
// button sends the form and the server does the same.

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button[data-preset]");
  if (!(button instanceof HTMLButtonElement) || !button.form) return;
  event.preventDefault();
  const on = new Set((button.dataset.preset ?? "").split(/\s+/));
  // In page order, because each option comes after those that it needs.
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (button.form.querySelectorAll("input[data-option]"))) {
    if (input.disabled) continue;
    input.checked = on.has(input.dataset.option ?? "");
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
  const news = button.form.querySelector("[data-preset-news]");
  if (news) news.textContent = `“${button.textContent?.trim()}” is set.`;
});
