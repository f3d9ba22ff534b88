// Shows the state of a job in the title and icon of the browser tab, even while another tab is in front. They come from
// <section id="job-status" data-title="Running 45 %: BIO101" data-icon="/static/…">. On request it also shows a browser
// notification when the job has ended.
import { toast } from "./toasts.js";

const KEY = "dupdash:notify";

/** @returns {HTMLElement | null} */
const status = () => document.getElementById("job-status");

/** Returns the jobs for which this browser will show a notification. @returns {string[]} */
function wanted() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "[]");
  } catch {
    return [];
  }
}

/** @param {string[]} jobs */
function want(jobs) {
  try {
    localStorage.setItem(KEY, JSON.stringify(jobs.slice(-50)));
  } catch {
    // The browser has no storage, so there is no notification.
  }
}

/** @param {HTMLButtonElement} button */
function showButton(button) {
  const on = wanted().includes(location.pathname);
  button.setAttribute("aria-pressed", String(on));
  const words = button.querySelector("span");
  if (words) words.textContent = on ? "You get a notification when it ends" : "Notify me when it ends";
}

function follow() {
  const shown = status();
  if (!shown?.dataset.title) return;
  document.title = `${shown.dataset.title} · dupdash`;
  const icon = document.getElementById("tab-icon");
  if (icon instanceof HTMLLinkElement && shown.dataset.icon && icon.getAttribute("href") !== shown.dataset.icon) {
    icon.href = shown.dataset.icon;
  }
  if (!shown.hasAttribute("data-ended")) return;
  document.getElementById("notify")?.remove();
  if (!wanted().includes(location.pathname)) return;
  want(wanted().filter((job) => job !== location.pathname));
  announce(shown.dataset.title, shown.dataset.icon);
}

/** @param {string} title @param {string} [icon] */
function announce(title, icon) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  try {
    const notification = new Notification(title, { tag: location.pathname, icon });
    notification.addEventListener("click", () => window.focus());
  } catch {
    // Chromium on phones shows only notifications of service workers. The page and an email also report the end.
  }
}

async function toggle(/** @type {HTMLButtonElement} */ button) {
  const jobs = wanted();
  if (jobs.includes(location.pathname)) {
    want(jobs.filter((job) => job !== location.pathname));
  } else if ((await Notification.requestPermission()) === "granted") {
    want([...jobs, location.pathname]);
  } else {
    toast("Your browser does not allow notifications from this site. You can change that in its settings.", "warning");
  }
  showButton(button);
}

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button[data-notify]");
  if (button instanceof HTMLButtonElement) toggle(button);
});

document.addEventListener("htmx:afterSwap", follow);
follow();

// Browsers offer notifications only on https and on localhost.
const button = document.querySelector("button[data-notify]");
if (button instanceof HTMLButtonElement && "Notification" in window && window.isSecureContext) {
  showButton(button);
  button.hidden = false;
}
