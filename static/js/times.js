// Shows every <time datetime data-local="…"> in the viewer's time zone, with the exact time as a tooltip:
//   relative   "3 minutes ago", "in 2 hours"; older than a week: the date
//   elapsed    the time since then, which is counted up: "4 min 12 s"
//   datetime, date; exact: a date and time with seconds
// Browsers without scripts show the text of the server.

const LANGUAGE = document.documentElement.lang || "en";
// The words are in the language of the page; the format of dates follows the viewer's locale if that has the same
// language (14:30 or 2:30 pm, 23 November or November 23).
const LOCALE = navigator.languages.find((name) => name.split("-")[0] === LANGUAGE.split("-")[0]) ?? LANGUAGE;

// The time zone of the preferences if the browser knows it, else the browser's own.
const ZONE = (() => {
  const chosen = document.documentElement.dataset.zone;
  try {
    return new Intl.DateTimeFormat(LOCALE, { timeZone: chosen }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
})();

const exact = new Intl.DateTimeFormat(LOCALE, { dateStyle: "full", timeStyle: "long", timeZone: ZONE });
const relative = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto" });
/** @type {Record<string, Intl.DateTimeFormat>} */
const formats = {
  datetime: new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "short", timeZone: ZONE }),
  exact: new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "medium", timeZone: ZONE }),
  date: new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeZone: ZONE }),
};

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];

/** @param {Date} moment */
function asRelative(moment) {
  const seconds = (moment.getTime() - Date.now()) / 1000;
  if (Math.abs(seconds) > 7 * 86_400) return formats.date.format(moment);
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  // No seconds, because a text that changes all the time distracts.
  return seconds > 0 ? "in a moment" : "just now";
}

/** @param {Date} moment */
function asElapsed(moment) {
  const seconds = Math.max(0, Math.floor((Date.now() - moment.getTime()) / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  if (minutes) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${seconds} s`;
}

/** @param {HTMLTimeElement} element */
function render(element) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  const style = element.dataset.local ?? "";
  const text =
    style === "elapsed" ? asElapsed(moment) : (formats[style]?.format(moment) ?? asRelative(moment));
  // Writing an equal text would undo a selection.
  if (element.textContent !== text) element.textContent = text;
  if (!element.title) element.title = exact.format(moment);
}

/** @param {ParentNode} root @param {string} [selector] */
function renderAll(root, selector = "time[data-local]") {
  for (const element of root.querySelectorAll(selector)) render(/** @type {HTMLTimeElement} */ (element));
}

renderAll(document);
// Immediately after a swap, before the browser paints the text of the server.
document.addEventListener("htmx:afterSwap", () => renderAll(document));
document.addEventListener("htmx:oobAfterSwap", () => renderAll(document));
document.addEventListener("visibilitychange", () => renderAll(document));

setInterval(() => {
  if (!document.hidden) renderAll(document, 'time[data-local="elapsed"]');
}, 1_000);
setInterval(() => {
  if (!document.hidden) renderAll(document, 'time[data-local="relative"]');
}, 15_000);

// Selects the viewer's zone in forms: <select name="timezone" data-timezone>. A zone that is not in the list is not selected.
for (const field of document.querySelectorAll("select[data-timezone]")) {
  const select = /** @type {HTMLSelectElement} */ (field);
  const zone = ZONE ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...select.options].some((option) => option.value === zone)) select.value = zone;
}
