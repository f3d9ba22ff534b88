"""Tests that names written from right to left do not reorder the text next to them on any page."""

import re
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.accounts import tokens
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.name_display import isolate
from dupdash.duplication.states import State
from dupdash.moodle import options
from dupdash.sandbox.server import Sandbox
from dupdash.web.models import OptionPreset
from tests.duplication.support import compared, evidence_json
from tests.web.support import BIO101, BIOLOGY_2027, a_job, a_running_job, form

pytestmark = pytest.mark.django_db

ARABIC, HEBREW = "مقدمة في الأحياء", "מבוא לביולוגיה"
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff]")
_ISOLATED = re.compile("\u2068[^\u2068\u2069]*\u2069")
VOID = {"meta", "link", "input", "br", "hr", "img"}
# Elements and attributes that only programs read.
FOR_PROGRAMS = {"value", "href", "id", "action", "content"}


class _Directions(HTMLParser):
    """Collects each text and attribute that contains a right-to-left name without isolating it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.seen = 0
        self.unprotected: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        isolates = tag == "bdi" or given.get("dir") == "auto"
        for name, value in attributes:
            if value is None or not _RIGHT_TO_LEFT.search(value):
                continue
            self.seen += 1
            typed = (
                tag == "input" and name == "value" and given.get("type", "text") not in ("hidden", "radio", "checkbox")
            )
            if typed and not isolates:
                self.unprotected.append(f"<{tag} value={value!r}> without dir=auto")
            if name not in FOR_PROGRAMS and not name.startswith("data-"):
                self._check(value, isolates, f"<{tag} {name}>")
        if tag not in VOID:
            self.open.append((tag, isolates))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if _RIGHT_TO_LEFT.search(data):
            self.seen += 1
            inside = any(isolates for _, isolates in self.open)
            self._check(data, inside, " > ".join(tag for tag, _ in self.open[-3:]))

    def _check(self, text: str, inside: bool, where: str) -> None:
        if not inside and _RIGHT_TO_LEFT.search(_ISOLATED.sub("", text)):
            self.unprotected.append(f"{where}: {text.strip()}")


def assert_isolated(page: str, *, at_least: int = 1) -> None:
    parser = _Directions()
    parser.feed(page)
    assert parser.unprotected == []
    assert parser.seen >= at_least


@pytest.fixture
def jobs(administrator: User, faculty: User) -> dict[str, DuplicationJob]:
    """Jobs in each state whose names are all written from right to left."""
    User.objects.filter(pk=faculty.pk).update(first_name="פאי", last_name="כהן")
    User.objects.filter(pk=administrator.pk).update(first_name="عادل", last_name="مدير")
    MoodleHealth.objects.update_or_create(id=1, defaults={"site_name": "جامعة", "may_delete": True})
    OptionPreset.objects.create(name="أرشيف", options=options.effective({}))
    tokens.make(administrator, "استيراد ليلي", days=90)
    now = timezone.now()
    missing = {"type": "quiz", "name": f"{ARABIC} 3", "count": 2}
    report = {
        "complete": False,
        "sections": compared(2, 1, missing=[missing]),
        "activities": compared(2, 1, missing=[missing]),
    }
    candidate = {"id": 77, "shortname": f"{HEBREW}_1", "fullname": f"{ARABIC} copy 1", "visible": True}
    given = {
        "fullname": f"{ARABIC} (2027)",
        "source_fullname": HEBREW,
        "source_shortname": "أحياء-2026",
        "source_id": BIO101,
        "category_name": f"كلية العلوم / {HEBREW}",
        "note": f"{ARABIC}، من فضلك.",
        "requester": faculty,
    }
    made = {
        "running": a_running_job(shortname="أحياء-1", source_released_at=now, **given),
        "queued": a_job(shortname="أحياء-2", **given),
        "asks": a_job(State.AWAITING_APPROVAL, "أحياء-3", **given),
        "failed": a_job(
            State.FAILED, "أحياء-4", failure_code="partial_course", failure_message=f"{HEBREW}!", finished_at=now,
            course_id=78, proof="seen", evidence=evidence_json(candidate, own=78), **given
        ),
        "unresolved": a_job(State.UNRESOLVED, "أحياء-5", sent_at=now, evidence=evidence_json(candidate), **given),
        "succeeded": a_job(State.SUCCEEDED, "أحياء-6", finished_at=now, course_id=79, verification=report, **given),
    }  # fmt: skip
    for job in made.values():
        job.events.update(actor=faculty, reason=f"{ARABIC}: 2027")
    return made


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/jobs/",
        "/jobs/?q=أحياء",
        "/jobs/?source=أحياء-2026",
        "/approvals/",
        "/insights/",
        "/presets/",
        "/tokens/",
        "/preferences/",
        "/jobs/new/?source=7",
        "/jobs/{running}/",
        "/jobs/{queued}/",
        "/jobs/{asks}/",
        "/jobs/{asks}/edit/",
        "/jobs/{asks}/approve/",
        "/jobs/{asks}/refuse/",
        "/jobs/{failed}/",
        "/jobs/{failed}/retry/",
        "/jobs/{failed}/delete-partial-course/",
        "/jobs/{unresolved}/",
        "/jobs/{unresolved}/settle/",
        "/jobs/{succeeded}/",
        "/jobs/new/?from={succeeded}",
        "/jobs/{running}/cancel/",
        "/jobs/bulk/?action=retry&job={failed}",
        "/approvals/decide/?verb=refuse&job={asks}",
    ],
)
def test_page_isolates_names_from_right_to_left(
    as_administrator: Client, jobs: dict[str, DuplicationJob], sandbox: Sandbox, address: str
) -> None:
    _rename_in_moodle(sandbox)
    page = as_administrator.get(address.format(**{name: job.pk for name, job in jobs.items()}))
    assert page.status_code == 200
    assert_isolated(page.content.decode())


def test_form_isolates_names_that_come_back_with_errors(
    as_administrator: Client, jobs: dict[str, DuplicationJob], sandbox: Sandbox
) -> None:
    _rename_in_moodle(sandbox)
    typed = form(shortname="أحياء-1", fullname="<b>أحياء", source_query="أحياء", note=ARABIC, category="12345")
    page = as_administrator.post("/jobs/new/", typed)
    assert page.status_code == 422
    assert_isolated(page.content.decode(), at_least=4)


@pytest.mark.parametrize(
    "part",
    [
        "/jobs/new/source-choices/?source_query=أحياء",
        f"/jobs/new/preview/?source={BIO101}&activities=1&category={BIOLOGY_2027}&shortname=أحياء-2027",
        "/jobs/new/check-short-name/?shortname=أحياء-1",
    ],
)
def test_part_of_the_form_isolates_names(
    as_administrator: Client, jobs: dict[str, DuplicationJob], sandbox: Sandbox, part: str
) -> None:
    _rename_in_moodle(sandbox)
    assert_isolated(as_administrator.get(part).content.decode())


def test_plain_text_isolates_names(as_administrator: Client, jobs: dict[str, DuplicationJob]) -> None:
    summary = as_administrator.get(f"/jobs/{jobs['failed'].pk}/summary.txt").content.decode()
    assert f"Copy:      \u2068{ARABIC} (2027)\u2069 (\u2068أحياء-4\u2069)" in summary


def test_name_from_left_to_right_is_left_as_it_is() -> None:
    assert isolate("Biologie für Anfänger – 2027 🧬") == "Biologie für Anfänger – 2027 🧬"


def test_direction_controls_in_a_name_cannot_end_its_isolation() -> None:
    assert isolate("\u2069abc\u202e cba") == "\u2068abc cba\u2069"


def _rename_in_moodle(sandbox: Sandbox) -> None:
    sandbox.state.change(BIO101, fullname=ARABIC, shortname="أحياء-2026")
