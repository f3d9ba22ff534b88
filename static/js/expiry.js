// <form data-expires="10"> disappears after so many seconds: what it offers is no longer possible then.

for (const form of document.querySelectorAll("form[data-expires]")) {
  const seconds = Number(/** @type {HTMLElement} */ (form).dataset.expires);
  setTimeout(() => form.remove(), seconds * 1000);
}
