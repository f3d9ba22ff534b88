// Controls elements with `data-poll`, which poll themselves: hx-trigger="every 2s, refresh".
//
// - A hidden tab does not poll; when it becomes visible it polls at once. With `data-poll-hidden` it polls once in ten
//   seconds while it is hidden, because its title and icon show the state.
// - After an error it skips the polls of 2, 4, 8 … up to 30 seconds and shows a notice until an answer comes.
//
// htmx cannot do this in the trigger (`every 2s [condition]`): that needs eval, which our
// Content-Security-Policy forbids, and without eval htmx treats every condition as true.

const LONGEST_WAIT = 30_000;
const LONGEST_ANSWER = 15_000;
const HIDDEN_PAUSE = 10_000;

let failures = 0;
let notBefore = 0;
let lastHidden = 0;

/** @param {Event} event @returns {any} */
const detailOf = (event) => /** @type {CustomEvent} */ (event).detail;

/** Returns whether a polling element sent the request. After the swap `detail.elt` is the parent of that element. @param {Event} event */
const isPoll = (event) => Boolean(detailOf(event).requestConfig?.elt?.hasAttribute("data-poll"));

/** @param {boolean} lost */
function showConnection(lost) {
  const notice = document.getElementById("connection-lost");
  if (notice) notice.hidden = !lost;
}

/** @param {boolean} lost */
function slowDown(lost) {
  // Two requests may fail together: that counts as one failure.
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
  // Without a timeout a lost request would stop the polling.
  if (detailOf(event).elt.hasAttribute("data-poll")) detailOf(event).timeout = LONGEST_ANSWER;
});

/** Returns whether a hidden tab may poll now. @param {Event} event */
function mayAskHidden(event) {
  if (!detailOf(event).requestConfig.elt.hasAttribute("data-poll-hidden")) return false;
  if (Date.now() - lastHidden < HIDDEN_PAUSE) return false;
  lastHidden = Date.now();
  return true;
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (!isPoll(event)) return;
  if (Date.now() < notBefore || (document.hidden && !mayAskHidden(event))) event.preventDefault();
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
  // 4xx is an answer, so the connection works.
  slowDown(status >= 500 || status === 408 || status === 429);
});

document.addEventListener("visibilitychange", () => {
  // The pause of a hidden tab begins when it is hidden.
  lastHidden = Date.now();
  askNow();
});
window.addEventListener("pageshow", (event) => event.persisted && askNow());
window.addEventListener("online", () => {
  notBefore = 0;
  askNow();
});

// An endless animation in a swapped part would visibly restart. With the same start time as all others it continues
// smoothly.
document.addEventListener("htmx:afterSwap", () => {
  for (const animation of document.getAnimations()) {
    if (animation.effect?.getTiming().iterations === Infinity) animation.startTime = 0;
  }
});
