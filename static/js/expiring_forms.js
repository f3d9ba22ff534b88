// Removes a <form data-expires="10"> after this many seconds, when its action is no longer possible.

for (const form of document.querySelectorAll("form[data-expires]")) {
  const seconds = Number(/** @type {HTMLElement} */ (form).dataset.expires);
  setTimeout(() => form.remove(), seconds * 1000);
}
