// <button data-preset="activities blocks"> switches these options of its form on and the others off. Without scripts the
// button sends the form and the server does the same.

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button[data-preset]");
  if (!(button instanceof HTMLButtonElement) || !button.form) return;
  event.preventDefault();
  const on = new Map((button.dataset.preset ?? "").split(/\s+/).map((entry) => /** @type {[string, string]} */ (entry.includes("=") ? entry.split("=") : [entry, "1"])));
  // In page order, because each option comes after those that it needs.
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (button.form.querySelectorAll("input[data-option]"))) {
    if (input.disabled) continue;
    input.checked = on.has(input.dataset.option ?? "");
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
  for (const list of /** @type {NodeListOf<HTMLSelectElement>} */ (button.form.querySelectorAll("select[data-option]"))) {
    list.value = on.get(list.dataset.option ?? "") ?? "0";
    list.dispatchEvent(new Event("change", { bubbles: true }));
  }
  const news = button.form.querySelector("[data-preset-news]");
  if (news) news.textContent = `“${button.textContent?.trim()}” is set.`;
});
