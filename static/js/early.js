// Runs before all other scripts. It is not a module, because modules run only after the page is shown.
//
// Going back or forward between URLs that htmx created (history.pushState) does not load a page; the browser only notifies
// its scripts. htmx listens from DOMContentLoaded on. A person who navigates before would see one page under the URL of
// another page. So until then this script loads the page of the new URL, as htmx does.
{
  const reload = () => location.reload();
  addEventListener("popstate", reload);
  document.addEventListener("DOMContentLoaded", () => removeEventListener("popstate", reload));
}
