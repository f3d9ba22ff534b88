// Before everything else, and not a module: modules run when the page has long been seen.
//
// Back and forward between addresses that htmx made (history.pushState) leave the page where it is and only tell its
// scripts. htmx listens from DOMContentLoaded on; who goes on before that would read the one page under the address of
// the other. Loading it again is what htmx does too.
{
  const reload = () => location.reload();
  addEventListener("popstate", reload);
  document.addEventListener("DOMContentLoaded", () => removeEventListener("popstate", reload));
}
