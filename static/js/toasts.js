// Shows toasts, short messages in a corner of the page. The server sends them in a header of an answer:
//   HX-Trigger: {"dupdash:toast": {"level": "success", "text": "The copy was cancelled.", "url": "/jobs/…/"}}
// Screen readers announce them politely. Successes disappear after some seconds; problems stay until they are closed.

const STAYS = 8_000;
const ICONS = { success: "succeeded", warning: "warning", danger: "failed", error: "failed", info: "info" };
const SVG = "http://www.w3.org/2000/svg";

/** @param {string} name */
function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.appendChild(document.createElementNS(SVG, "use")).setAttribute("href", `#icon-${name}`);
  return svg;
}

/** @param {string} text @param {string} [level] @param {string} [url] A page of dupdash with details. */
export function toast(text, level = "info", url = "") {
  const region = document.getElementById("toasts");
  if (!region || !text) return;
  // A message that is shown is not shown again.
  if ([...region.querySelectorAll(".callout-body")].some((body) => body.textContent === text)) return;

  const known = level in ICONS ? /** @type {keyof typeof ICONS} */ (level) : "info";
  const box = document.createElement("div");
  box.className = "callout";
  box.dataset.level = known;

  const words = document.createElement("p");
  words.className = "callout-body";
  if (/^\/(?!\/)/.test(url)) {
    const link = document.createElement("a");
    link.href = url;
    link.textContent = text;
    words.append(link);
  } else {
    words.textContent = text;
  }

  const close = document.createElement("button");
  close.type = "button";
  close.className = "toast-close";
  close.setAttribute("aria-label", "Close");
  close.append(icon("close"));
  close.addEventListener("click", () => box.remove());

  box.append(icon(ICONS[known]), words, close);
  region.append(box);

  if (known !== "info" && known !== "success") return;
  // A message stays while the pointer or the focus is on it.
  const leave = () => {
    if (box.matches(":hover, :focus-within")) setTimeout(leave, 2_000);
    else box.remove();
  };
  setTimeout(leave, STAYS);
}

document.addEventListener("dupdash:toast", (event) => {
  const { text, value, level, url } = /** @type {CustomEvent} */ (event).detail ?? {};
  toast(text ?? value, level, url);
});

// htmx shows nothing if a person's request fails. This code shows a message, unless the server's answer contains one.
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    const { requestConfig, xhr } = /** @type {CustomEvent} */ (event).detail;
    if (requestConfig?.elt?.hasAttribute("data-poll")) return;
    if (xhr?.getResponseHeader("HX-Trigger")?.includes("dupdash:toast")) return;
    const refused = name === "htmx:responseError" && xhr.status < 500;
    toast(
      refused
        ? "This was refused. Reload the page to see the current state."
        : "No answer came. Reload the page before you try again, because it may have worked.",
      "danger",
    );
  });
}
