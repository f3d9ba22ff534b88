// <button data-copies="id"> copies the text (or value) of that element, which may be hidden.
import { toast } from "./toasts.js";

/** @param {string} text */
async function copy(text) {
  // The browser offers the clipboard only on https and localhost, and a campus network may use neither.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser refused");
}

document.addEventListener("click", async (event) => {
  const button = /** @type {Element} */ (event.target).closest("[data-copies]");
  if (!(button instanceof HTMLElement)) return;
  const source = document.getElementById(button.dataset.copies ?? "");
  if (!source) return;
  const text = "value" in source ? String(source.value) : (source.textContent ?? "");
  try {
    await copy(text.trim());
    toast("Copied.", "success");
  } catch {
    toast("Your browser did not allow copying. Select the text and copy it yourself.", "warning");
  }
  button.focus();
});
