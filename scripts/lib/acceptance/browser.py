"""Simulates a browser without scripts: it keeps cookies, parses pages, and sends forms as a real browser would."""

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

TIMEOUT = 120.0
# Elements without an end tag.
VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})


@dataclass
class Control:
    """A field or button of a form."""

    kind: str
    name: str
    value: str
    checked: bool = False
    disabled: bool = False


@dataclass
class Form:
    action: str
    controls: list[Control] = field(default_factory=list)

    def fill(self, name: str, value: str) -> None:
        for control in self._named(name):
            control.value = value

    def choose(self, name: str, value: str) -> bool:
        """Choose a radio button. Returns whether the form has it."""
        found = [control for control in self._named(name) if control.value == value and not control.disabled]
        if found:
            for control in self._named(name):
                control.checked = control is found[0]
        return bool(found)

    def tick(self, name: str, on: bool) -> bool:
        """Set a checkbox. Returns whether it can be set."""
        for control in self._named(name):
            if not control.disabled:
                control.checked = on
                return True
        return False

    def fields(self, pressed: str) -> Iterator[tuple[str, str]]:
        """Return the fields that a browser sends when this button is pressed; "" is the button without a name."""
        for control in self.controls:
            if control.disabled or not control.name:
                continue
            if control.kind in ("checkbox", "radio"):
                if control.checked:
                    yield control.name, control.value
            elif control.kind != "submit" or control.name == pressed:
                yield control.name, control.value

    def _named(self, name: str) -> Iterator[Control]:
        return (control for control in self.controls if control.name == name)


@dataclass
class Page:
    url: str
    status: int
    # The URL of a redirection; "" if the answer is no redirection.
    location: str
    text: str
    forms: list[Form]
    # The texts in the alerts of the page and beside its fields.
    alerts: str

    def offers(self, name: str) -> bool:
        """Return whether one of the page's forms has a field with this name."""
        return any(control.name == name for form in self.forms for control in form.controls)

    def form_with(self, name: str) -> Form:
        """Return the form with a field of this name. Raises LookupError if there is none."""
        for form in self.forms:
            if any(control.name == name for control in form.controls):
                return form
        raise LookupError(f"{self.url} (status {self.status}) has no form with a field {name}. {self.alerts}".strip())


class Browser:
    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
            _NoRedirects(),
        )

    def open(self, url: str) -> Page:
        return self._request(url, None)

    def press(self, page: Page, form: Form, button: str = "") -> Page:
        body = urllib.parse.urlencode(list(form.fields(button))).encode()
        return self._request(urllib.parse.urljoin(page.url, form.action), body)

    def _request(self, url: str, body: bytes | None) -> Page:
        try:
            answer = self._opener.open(url, body, TIMEOUT)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode(errors="replace")
        reader = _Reader()
        reader.feed(text)
        location = urllib.parse.urljoin(url, answer.headers.get("Location") or "") if 300 <= answer.status < 400 else ""
        return Page(url, answer.status, location, text, reader.forms, " ".join("".join(reader.alerts).split()))


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.alerts: list[str] = []
        # The elements that are open inside the outermost alert.
        self._alert: list[str] = []
        self._textarea: Control | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if tag not in VOID and (self._alert or found.get("role") == "alert" or found.get("class") == "errors"):
            self._alert.append(tag)
            self.alerts.append(" ")
        if tag == "form":
            self.forms.append(Form(found.get("action", "")))
        elif tag in ("input", "button", "textarea") and self.forms:
            self._add_control(tag, found)

    def _add_control(self, tag: str, found: dict[str, str]) -> None:
        default = {"input": "text", "button": "submit", "textarea": "textarea"}[tag]
        kind = found.get("type", default)
        value = found.get("value", "on" if kind in ("checkbox", "radio") else "")
        control = Control(kind, found.get("name", ""), value, "checked" in found, "disabled" in found)
        self.forms[-1].controls.append(control)
        if tag == "textarea":
            self._textarea = control

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = None
        if tag in self._alert:
            # An end tag closes its element and all elements that are still open inside.
            del self._alert[len(self._alert) - 1 - self._alert[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            self._textarea.value += data
        if self._alert:
            self.alerts.append(data)
