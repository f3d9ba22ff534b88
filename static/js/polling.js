// Looks after elements with `data-poll`, which ask for themselves: hx-trigger="every 2s, refresh".
//
// - A hidden tab asks nothing; when it is seen again it asks at once.
// - After an error the ticks of 2, 4, 8 … up to 30 seconds are skipped and a notice is shown, until an answer comes.
//
// htmx cannot do this in the trigger (`every 2s [condition]`): that needs eval, which our
// Content-Security-Policy forbids, and without eval htmx takes every condition for true.

const LONGEST_WAIT = 30_000;
const LONGEST_ANSWER = 15_000;

let failures = 0;
let notBefore = 0;

/** @param {Event} event @returns {any} */
const detailOf = (event) => /** @type {CustomEvent} */ (event).detail;

/** The element that asked. `detail.elt` becomes its parent once it has been swapped away. @param {Event} event */
const isPoll = (event) => Boolean(detailOf(event).requestConfig?.elt?.hasAttribute("data-poll"));

/** @param {boolean} lost */
function showConnection(lost) {
  const notice = document.getElementById("connection-lost");
  if (notice) notice.hidden = !lost;
}

/** @param {boolean} lost */
function slowDown(lost) {
  // Two requests may have been under way: one failure of the line counts once.
  if (Date.now() < notBefore) return;
  failures += 1;
  notBefore = Date.now() + Math.min(LONGEST_WAIT, 1000 * 2 ** failures);
  if (lost) showConnection(true);
}

function askNow() {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("[data-poll]")) {
    element.dispatchEvent(new CustomEvent("refresh"));
  }
}

document.addEventListener("htmx:configRequest", (event) => {
  // A line that swallows requests must not keep the page waiting for ever.
  if (detailOf(event).elt.hasAttribute("data-poll")) detailOf(event).timeout = LONGEST_ANSWER;
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isPoll(event) && (document.hidden || Date.now() < notBefore)) event.preventDefault();
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (!isPoll(event) || !detailOf(event).successful) return;
  failures = 0;
  notBefore = 0;
  showConnection(false);
});

for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => isPoll(event) && slowDown(true));
}

document.addEventListener("htmx:responseError", (event) => {
  if (!isPoll(event)) return;
  const { status } = detailOf(event).xhr;
  // 4xx is an answer: the line is fine, and "connection lost" would be a lie.
  slowDown(status >= 500 || status === 408 || status === 429);
});

document.addEventListener("visibilitychange", askNow);
window.addEventListener("pageshow", (event) => event.persisted && askNow());
window.addEventListener("online", () => {
  notBefore = 0;
  askNow();
});

// An endless animation in a part that has just been swapped would start afresh, and be seen to. Started at the
// same moment as all others of its kind it goes on as if nothing had happened.
document.addEventListener("htmx:afterSwap", () => {
  for (const animation of document.getAnimations()) {
    if (animation.effect?.getTiming().iterations === Infinity) animation.startTime = 0;
  }
});
