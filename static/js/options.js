// Switches an option off and disables it while an option that it needs (data-needs="users activities") is off, and says
// why. When the needed option is on again, the person's choice is restored. Without scripts the server does the same.

/** @type {WeakMap<HTMLInputElement, boolean>} the choice before this module switched it off */
const chosen = new WeakMap();

/** @param {ParentNode} form */
function settle(form) {
  /** @type {Map<string, HTMLInputElement>} */
  const options = new Map();
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("input[data-option]"))) {
    options.set(input.dataset.option ?? "", input);
  }
  for (const input of options.values()) {
    // `data-fixed`: the server refuses this option, whatever else is chosen.
    if (!input.dataset.needs || input.hasAttribute("data-fixed")) continue;
    const allowed = input.dataset.needs.split(/\s+/).every((name) => options.get(name)?.checked ?? true);
    if (!allowed && !input.disabled) {
      chosen.set(input, input.checked);
      input.checked = false;
    }
    if (allowed && input.disabled) input.checked = chosen.get(input) ?? input.checked;
    input.disabled = !allowed;
    const reason = document.getElementById(`${input.id}-reason`);
    if (reason) reason.hidden = allowed;
  }
}

function settleAll() {
  for (const form of document.forms) if (form.querySelector("input[data-needs]")) settle(form);
}

document.addEventListener("change", (event) => {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (input.matches("input[data-option]") && input.form) settle(input.form);
});
// A reset changes the values after this event, and so does a browser that restores a form after "back".
document.addEventListener("reset", () => setTimeout(settleAll));
window.addEventListener("pageshow", settleAll);
document.addEventListener("htmx:afterSwap", settleAll);
settleAll();
