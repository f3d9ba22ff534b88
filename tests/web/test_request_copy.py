"""Tests the request form: submitting it, its errors, and sending it twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dupdash.duplication import jobs
from dupdash.duplication.models import DuplicationJob, Origin
from dupdash.duplication.states import State
from dupdash.moodle.options import effective
from dupdash.notifications.models import Preferences
from dupdash.sandbox.server import Sandbox
from tests.web.support import BIO101, BIOLOGY_2027, a_job, form, text, without_tokens

URL = "/jobs/new/"
# A course of the sandbox that “faculty” does not teach.
NOT_TAUGHT = 3

pytestmark = pytest.mark.django_db


def test_form_creates_a_job_and_shows_it(as_administrator: Client, administrator: User, sandbox: Sandbox) -> None:
    answer = as_administrator.post(URL, form(note="For the spring."))
    job = DuplicationJob.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/jobs/{job.pk}/")
    assert (job.state, job.requester, job.origin) == (State.QUEUED, administrator, Origin.FORM)
    assert (job.source_id, job.source_shortname, job.category_id) == (BIO101, "BIO101-2026S1", BIOLOGY_2027)
    assert (job.fullname, job.shortname, job.note) == (
        "Introduction to Biology, 2027",
        "BIO101-2027S1",
        "For the spring.",
    )
    assert job.visible
    assert job.options == effective({})
    assert [event.kind for event in job.events.all()] == ["submitted"]
    assert "Request received." in text(as_administrator.get(answer["Location"]))


def test_request_of_faculty_waits_for_approval(as_faculty: Client, sandbox: Sandbox) -> None:
    answer = as_faculty.post(URL, form())
    assert DuplicationJob.objects.get().state == State.AWAITING_APPROVAL
    assert "A course administrator must approve it" in text(as_faculty.get(answer["Location"]))


def test_errors_are_named_and_input_is_kept(as_administrator: Client, sandbox: Sandbox) -> None:
    bad = form(
        source="99999", fullname="<b>Bold</b>", shortname="", category="12345", visible=None, blocks=None, note="Hello"
    )
    answer = as_administrator.post(URL, bad)
    page = text(answer)
    assert answer.status_code == 422
    assert "Moodle has no such course." in page
    assert "A full name cannot contain HTML tags" in page
    assert "Enter a short name." in page
    assert "Moodle has no such category." in page
    assert 'value="&lt;b&gt;Bold&lt;/b&gt;"' in page
    assert "Hello</textarea>" in page
    assert 'id="option-activities" data-option="activities" aria-describedby' in page
    assert _switch(page, "activities")
    assert not _switch(page, "blocks")
    assert not DuplicationJob.objects.exists()


def test_source_can_be_given_by_short_name(as_administrator: Client, sandbox: Sandbox) -> None:
    as_administrator.post(URL, form(source=None, source_query="BIO101-2026S1"))
    assert DuplicationJob.objects.get().source_id == BIO101


def test_deleted_source_is_not_replaced_by_another_course(as_administrator: Client, sandbox: Sandbox) -> None:
    """A deleted source is not replaced by another course whose short name is the number of the deleted course."""
    sandbox.state.change(BIO101, shortname="99999")
    answer = as_administrator.post(URL, form(source="99999", source_query="gone"))
    assert answer.status_code == 422
    assert "Moodle has no such course." in text(answer)
    # If a person types the number, it is also searched as a short name.
    as_administrator.post(URL, form(source=None, source_query="99999"))
    assert DuplicationJob.objects.get().source_id == BIO101


def test_source_with_a_tag_is_unknown(as_administrator: Client, sandbox: Sandbox) -> None:
    answer = as_administrator.post(URL, form(source=None, source_query="<b>"))
    assert answer.status_code == 422
    assert "Moodle has no such course." in answer.context["form"].errors["source"][0]
    assert "Moodle refused" not in text(answer)


def test_form_without_a_source_asks_for_one(as_administrator: Client, sandbox: Sandbox) -> None:
    answer = as_administrator.post(URL, form(source=None))
    assert "Choose the course to copy." in text(answer)


def test_sources_are_found_without_scripts(as_administrator: Client, sandbox: Sandbox) -> None:
    answer = as_administrator.post(URL, form(source=None, source_query="biology", find="1", fullname="Kept"))
    page = text(answer)
    assert answer.status_code == 200
    assert f'<input type="radio" name="source" value="{BIO101}"' in page
    assert 'value="Kept"' in page
    # The form has not been checked yet.
    assert "form-errors" not in page
    assert not DuplicationJob.objects.exists()


def test_job_that_reserves_the_short_name_is_named(as_administrator: Client, faculty: User, sandbox: Sandbox) -> None:
    other = a_job(shortname="bio101-2027s1", requester=faculty)
    page = text(as_administrator.post(URL, form()))
    assert f'<a href="/jobs/{other.pk}/">“Copy called bio101-2027s1”</a>, requested by Fay Faculty.' in page


def test_foreign_job_with_the_short_name_is_not_revealed(as_faculty: Client, colleague: User, sandbox: Sandbox) -> None:
    other = a_job(shortname="BIO101-2027S1", requester=colleague)
    page = text(as_faculty.post(URL, form()))
    assert "Another unfinished copy already has this short name." in page
    assert other.pk not in page
    assert "Nadia" not in page


@pytest.mark.parametrize(("who", "named"), [("administrator", True), ("faculty", False)])
def test_course_with_the_short_name_is_named_to_administrators(
    sandbox: Sandbox, request: pytest.FixtureRequest, who: str, named: bool
) -> None:
    sandbox.state.change(NOT_TAUGHT, shortname="MERGER", fullname="Merger, confidential", visible=0)
    page = text(request.getfixturevalue(f"as_{who}").post(URL, form(shortname="MERGER")))
    assert "A course in Moodle already has this short name. Choose another." in page
    assert ("confidential" in page) == named


def test_form_that_is_sent_twice_creates_one_job(as_administrator: Client, sandbox: Sandbox) -> None:
    first = as_administrator.post(URL, form(key="k1"))
    second = as_administrator.post(URL, form(key="k1"))
    assert first["Location"] == second["Location"]
    assert DuplicationJob.objects.count() == 1


def test_two_sends_at_the_same_moment_create_one_job(
    as_administrator: Client, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sending a form twice at the same time creates one job, even if the second job is created during the check."""
    real, typed, first = jobs.submit, form(source=None, source_query="BIO101-2026S1", key="k1"), []

    def late(*arguments: Any, **more: Any) -> DuplicationJob:
        if not first:
            first.append("")
            first[0] = as_administrator.post(URL, typed)["Location"]
        return real(*arguments, **more)

    monkeypatch.setattr(jobs, "submit", late)
    assert as_administrator.post(URL, typed)["Location"] == first[0]
    assert DuplicationJob.objects.count() == 1


@pytest.mark.parametrize("source", [{}, {"source": None, "source_query": "BIO101-2026S1"}], ids=["chosen", "typed"])
def test_second_send_finds_a_job_that_already_ended(
    as_administrator: Client, sandbox: Sandbox, source: dict[str, Any]
) -> None:
    first = as_administrator.post(URL, form(key="k1", **source))
    as_administrator.get(first["Location"])
    DuplicationJob.objects.update(state=State.SUCCEEDED)
    answer = as_administrator.post(URL, form(key="k1", **source))
    assert answer["Location"] == first["Location"]
    assert DuplicationJob.objects.count() == 1
    page = text(as_administrator.get(answer["Location"]))
    assert "This copy was already requested and succeeded. It was not requested again." in page
    assert "Request received. You can close this page." not in page


def test_second_send_finds_its_job_without_moodle(as_administrator: Client, sandbox: Sandbox) -> None:
    first = as_administrator.post(URL, form(key="k1"))
    sandbox.stop()
    assert as_administrator.post(URL, form(key="k1"))["Location"] == first["Location"]


def test_second_send_finds_a_job_that_was_edited(
    as_faculty: Client, as_administrator: Client, sandbox: Sandbox
) -> None:
    first = as_faculty.post(URL, form(key="k1"))
    changed = form(fullname="Another", shortname="BIO-2027", visible=None, blocks=None, start="later", key=None)
    as_administrator.post(f"{first['Location']}edit/", changed | {"not_before": "2090-01-15T22:00"})
    assert DuplicationJob.objects.get().shortname == "BIO-2027"
    answer = as_faculty.post(URL, form(key="k1"))
    assert answer["Location"] == first["Location"]
    assert DuplicationJob.objects.count() == 1
    # The job is as requested with this form, including its start time.
    assert "Request received. You can close this page." in text(as_faculty.get(answer["Location"]))


@pytest.mark.parametrize("source", [{}, {"source": None, "source_query": "BIO101-2026S1"}], ids=["chosen", "typed"])
@pytest.mark.parametrize(
    ("state", "how"), [(State.FAILED, "failed"), (State.CANCELLED, "was cancelled"), (State.REJECTED, "was refused")]
)
def test_second_send_of_a_failed_request_is_not_shown_as_new(
    as_administrator: Client, sandbox: Sandbox, state: State, how: str, source: dict[str, Any]
) -> None:
    first = as_administrator.post(URL, form(key="k1", **source))
    as_administrator.get(first["Location"])
    DuplicationJob.objects.update(state=state, finished_at=timezone.now())
    again = as_administrator.post(URL, form(key="k1", **source))
    assert again["Location"] == first["Location"]
    page = text(as_administrator.get(again["Location"]))
    assert f"This copy was already requested and {how}. It was not requested again." in page
    assert "Request received. " not in page
    assert DuplicationJob.objects.count() == 1


@pytest.mark.parametrize(
    "changed", [{"start": "later", "not_before": "2090-01-15T22:00"}, {"note": "At night"}, {"start": "later"}]
)
def test_changed_start_in_a_second_send_is_reported(
    as_administrator: Client, sandbox: Sandbox, changed: dict[str, str]
) -> None:
    first = as_administrator.post(URL, form(key="k1"))
    as_administrator.get(first["Location"])
    answer = as_administrator.post(URL, form(key="k1", **changed))
    assert answer["Location"] == first["Location"]
    page = text(as_administrator.get(answer["Location"]))
    assert "This copy was already requested. Its start time and note were not changed." in page
    assert "Request received. " not in page


def test_equal_start_and_note_are_not_mentioned(as_administrator: Client, sandbox: Sandbox) -> None:
    typed = form(key="k1", start="later", not_before="2090-01-15T22:00", note=" One\r\ntwo ")
    as_administrator.get(as_administrator.post(URL, typed)["Location"])
    page = text(as_administrator.get(as_administrator.post(URL, typed)["Location"]))
    assert "Request received. You can close this page." in page


def test_second_send_compares_effective_options(as_administrator: Client, sandbox: Sandbox) -> None:
    # Without scripts a switch can be on although an option that it needs is off.
    first = as_administrator.post(URL, form(key="k1", enrolments="1"))
    assert as_administrator.post(URL, form(key="k1", enrolments="1"))["Location"] == first["Location"]


def test_same_page_with_other_names_creates_another_job(as_administrator: Client, sandbox: Sandbox) -> None:
    as_administrator.post(URL, form(key="k1"))
    answer = as_administrator.post(URL, form(key="k1", shortname="BIO101-2027X", fullname="Another", again="1"))
    assert answer.status_code == 303
    assert DuplicationJob.objects.count() == 2


def test_each_job_of_one_page_is_found_again(as_faculty: Client, as_administrator: Client, sandbox: Sandbox) -> None:
    other = form(key="k1", shortname="BIO101-2027X", fullname="Another", again="1")
    first, second = as_faculty.post(URL, form(key="k1")), as_faculty.post(URL, other)
    # No job reserves the second short name any more.
    as_administrator.post(f"{second['Location']}edit/", form(shortname="BIO101-2027Y", fullname="Another"))
    assert as_faculty.post(URL, other)["Location"] == second["Location"]
    assert as_faculty.post(URL, form(key="k1"))["Location"] == first["Location"]
    assert DuplicationJob.objects.count() == 2


def test_option_without_what_it_needs_is_off(as_administrator: Client, sandbox: Sandbox) -> None:
    as_administrator.post(URL, form(enrolments="1", logs="1"))
    options = DuplicationJob.objects.get().options
    assert (options["enrolments"], options["logs"]) == (False, False)


def test_people_are_included_if_requested(as_administrator: Client, sandbox: Sandbox) -> None:
    as_administrator.post(URL, form(users="1", enrolments="1", visible=None))
    job = DuplicationJob.objects.get()
    assert job.options["users"]
    assert job.options["enrolments"]
    assert not job.visible


def test_unsupported_options_are_refused(as_administrator: Client, sandbox: Sandbox) -> None:
    answer = as_administrator.post(URL, form(users="1", note="Kept"))
    page = text(answer)
    assert answer.status_code == 422
    assert "Enrolment methods (enrolments): This Moodle always copies the enrolment methods together with" in page
    assert "Kept</textarea>" in page
    # The reason is also shown at the switch.
    at_switch = page.partition('id="option-enrolments-reason"')[2].partition('class="option"')[0]
    assert "This Moodle always copies the enrolment methods" in at_switch
    assert not DuplicationJob.objects.exists()


def test_form_says_which_enrolment_methods_a_copy_gets(as_administrator: Client, sandbox: Sandbox) -> None:
    page = text(as_administrator.get(URL))
    assert "Enrolment methods are always copied together with the people." in page
    assert "Without people, the copy gets the site’s default enrolment methods." in page
    answer = as_administrator.post(URL, form())
    page = text(as_administrator.get(answer["Location"]))
    assert "The source’s enrolment methods: the copy gets the site’s default ones." in page


def test_turning_people_on_turns_the_enrolment_methods_on(as_administrator: Client, sandbox: Sandbox) -> None:
    """Turning people on in the form also turns enrolment methods on, because a stock Moodle requires this."""
    job = a_job(State.FAILED, options=effective({}), source_id=BIO101)
    assert _switch(text(as_administrator.get(f"{URL}?from={job.pk}")), "enrolments")


def test_data_of_people_is_not_offered_to_faculty(as_faculty: Client, sandbox: Sandbox) -> None:
    page = text(as_faculty.get(URL))
    assert "Only course administrators can copy people’s data, so those options are off." in page
    answer = as_faculty.post(URL, form(users="1", enrolments="1"))
    assert "Only course administrators may copy people and their work." in text(answer)
    assert not DuplicationJob.objects.exists()


def test_course_that_faculty_do_not_teach_is_refused(as_faculty: Client, sandbox: Sandbox) -> None:
    page = text(as_faculty.post(URL, form(source="8")))
    assert "No course that you teach was found." in page
    assert 'value="Introduction to Biology, 2027"' in page


def test_only_allowed_categories_are_offered(as_faculty: Client, sandbox: Sandbox, settings: Settings) -> None:
    settings.FACULTY_CATEGORIES = [9]
    page = text(as_faculty.get(URL))
    assert f'name="category" value="{BIOLOGY_2027}"' not in page
    assert 'name="category" value="10">' in page
    # The parent category is shown, but cannot be chosen.
    assert 'name="category" value="2" disabled><span>Faculty of Science' in page


def test_start_time_is_read_in_the_persons_time_zone(as_administrator: Client, sandbox: Sandbox) -> None:
    as_administrator.post(URL, form(start="later", not_before="2090-01-15T22:00", timezone="Europe/Berlin"))
    assert DuplicationJob.objects.get().not_before == datetime(2090, 1, 15, 21, tzinfo=UTC)


def test_form_begins_with_the_chosen_time_zone(as_administrator: Client, administrator: User, sandbox: Sandbox) -> None:
    """The form begins with the chosen time zone, even without scripts or if the field is cleared."""
    Preferences.objects.create(user=administrator, time_zone="Asia/Tokyo")
    assert '<option value="Asia/Tokyo" selected>' in as_administrator.get(URL).content.decode()
    as_administrator.post(URL, form(start="later", not_before="2090-01-15T22:00", timezone=""))
    assert DuplicationJob.objects.get().not_before == datetime(2090, 1, 15, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"not_before": ""}, "Enter the date and time to start."),
        ({"not_before": "2001-01-01T10:00"}, "That time has passed."),
        ({"not_before": "2090-01-01T10:00", "timezone": "Mars/Olympus"}, "Unknown time zone."),
        ({"not_before": "soon"}, "Enter a date and a time, for example"),
        ({"not_before": "2090-01-01"}, "Enter a date and a time, for example"),
        (
            {"not_before": "2090-03-26T02:30", "timezone": "Europe/Berlin"},
            "This time does not exist in Europe/Berlin",
        ),
    ],
)
def test_errors_of_the_start_time_are_named(
    as_administrator: Client, sandbox: Sandbox, typed: dict[str, str], said: str
) -> None:
    assert said in text(as_administrator.post(URL, form(start="later", **typed)))


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "UTC"])
@pytest.mark.parametrize(
    ("moment", "said"),
    [("0001-01-01T00:00", "That time has passed."), ("9999-12-31T23:59", "Enter a date up to 2100.")],
)
def test_absurd_start_time_is_refused(
    as_administrator: Client, sandbox: Sandbox, moment: str, said: str, zone: str
) -> None:
    answer = as_administrator.post(URL, form(start="later", not_before=moment, timezone=zone))
    assert answer.status_code == 422
    assert said in text(answer)


def test_start_time_is_checked_in_its_own_time_zone(
    as_administrator: Client, sandbox: Sandbox, settings: Settings
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    # In Berlin summer time begins at this time.
    as_administrator.post(URL, form(start="later", not_before="2090-03-26T02:30", timezone="America/New_York"))
    assert DuplicationJob.objects.get().not_before == datetime(2090, 3, 26, 6, 30, tzinfo=UTC)


def test_form_is_filled_in_from_a_failed_job(
    as_faculty: Client, faculty: User, sandbox: Sandbox, settings: Settings
) -> None:
    old = a_job(State.FAILED, "OLD-1", requester=faculty, source_id=BIO101, source_fullname="Biology", note="Please")
    page = text(as_faculty.get(f"{URL}?from={old.pk}"))
    assert 'value="OLD-1"' in page
    assert 'value="Copy called OLD-1"' in page
    assert f'name="source" value="{BIO101}" checked' in page
    assert "Please</textarea>" in page
    as_faculty.post(f"{URL}?from={old.pk}", form())
    assert DuplicationJob.objects.exclude(pk=old.pk).get().retry_of == old


@pytest.mark.parametrize(
    "state", [State.AWAITING_APPROVAL, State.QUEUED, State.RUNNING, State.CHECKING, State.UNRESOLVED]
)
def test_form_is_not_filled_in_from_an_unfinished_job(
    as_faculty: Client, faculty: User, sandbox: Sandbox, state: State
) -> None:
    """The form is not filled in from an unfinished job, because there could be two copies, whatever their names."""
    old = a_job(state, "OLD-1", requester=faculty, source_id=BIO101)
    url = f"{URL}?from={old.pk}"
    for answer in (as_faculty.get(url), as_faculty.post(url, form()), as_faculty.post(url, form(preview="1"))):
        page = text(answer)
        assert answer.status_code == 409
        assert jobs.why_no_new_request(old) in page
        assert f'href="/jobs/{old.pk}/">Back to the job</a>' in page
        assert "Request copy" not in page
        assert "Edit and try again" not in page
    assert DuplicationJob.objects.count() == 1


def test_copy_of_a_succeeded_job_is_no_retry(as_faculty: Client, faculty: User, sandbox: Sandbox) -> None:
    old = a_job(State.SUCCEEDED, "OLD-1", requester=faculty, source_id=BIO101)
    assert 'value="OLD-1"' in text(as_faculty.get(f"{URL}?from={old.pk}"))
    as_faculty.post(f"{URL}?from={old.pk}", form())
    assert DuplicationJob.objects.exclude(pk=old.pk).get().retry_of is None


def test_form_is_not_filled_in_from_a_foreign_job(as_faculty: Client, colleague: User, sandbox: Sandbox) -> None:
    assert as_faculty.get(f"{URL}?from={a_job(requester=colleague).pk}").status_code == 404
    assert as_faculty.get(f"{URL}?from=nonsense").status_code == 404


@pytest.mark.parametrize(
    ("query", "parameter"), [(URL, "?from="), (f"{URL}check-short-name/?shortname=A", "&job=")], ids=["from", "job"]
)
def test_nul_character_in_a_parameter_is_answered_as_an_unknown_id(
    as_administrator: Client, sandbox: Sandbox, query: str, parameter: str
) -> None:
    """PostgreSQL cannot even search for a NUL character."""
    unknown, nul = (as_administrator.get(f"{query}{parameter}{id}") for id in ("0" * 32, "%00"))
    assert nul.status_code == unknown.status_code < 500
    assert without_tokens(nul) == without_tokens(unknown)


def test_input_is_kept_if_moodle_does_not_answer(as_administrator: Client, sandbox: Sandbox) -> None:
    sandbox.stop()
    answer = as_administrator.post(URL, form(note="Hello"))
    page = text(answer)
    assert answer.status_code == 422
    assert "Moodle did not answer." in page
    assert "your input is kept" in page
    assert 'value="BIO101-2027S1"' in page
    assert f'<input type="hidden" name="category" value="{BIOLOGY_2027}">' in page


def test_known_categories_are_shown_without_moodle(as_administrator: Client, sandbox: Sandbox) -> None:
    as_administrator.get(URL)
    sandbox.stop()
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        page = text(as_administrator.get(URL))
    assert "School of Biology" in page


def test_categories_are_cached_for_some_minutes(as_administrator: Client, sandbox: Sandbox) -> None:
    as_administrator.get(URL)
    sandbox.stop()
    page = text(as_administrator.get(URL))
    assert "School of Biology" in page
    assert "Moodle did not answer" not in page


def test_form_works_without_a_cache(as_administrator: Client, sandbox: Sandbox, settings: Settings) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    }
    assert "School of Biology" in text(as_administrator.get(URL))
    assert cache is not None


def test_form_without_a_configured_moodle_says_what_to_do(
    as_administrator: Client, as_faculty: Client, settings: Settings
) -> None:
    settings.MOODLE_URL = settings.MOODLE_TOKEN = ""
    for_administrators = text(as_administrator.get(URL))
    assert "No Moodle is configured." in for_administrators
    assert "Set MOODLE_URL and MOODLE_TOKEN" in for_administrators
    for_faculty = text(as_faculty.get(URL))
    assert "You cannot request copies at the moment." in for_faculty
    assert "MOODLE_TOKEN" not in for_faculty


def test_scheduled_request_waits_for_its_time(as_administrator: Client, sandbox: Sandbox) -> None:
    soon = (timezone.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    answer = as_administrator.post(URL, form(start="later", not_before=soon))
    assert "Starts at the scheduled time." in text(as_administrator.get(answer["Location"]))


def _switch(page: str, name: str) -> bool:
    """Return whether a switch is on in the page."""
    return " checked" in page.partition(f'name="{name}" value="1"')[2].partition(">")[0]


# A course of another teacher, a course that does not exist, and the front page.
@pytest.mark.parametrize("source", ["8", "99999", "1"])
@pytest.mark.parametrize(
    "also_wrong",
    [{}, {"shortname": ""}, {"category": "12345"}, {"users": "1"}],
    ids=["nothing", "name", "category", "people"],
)
def test_faculty_cannot_distinguish_a_foreign_course_from_none(
    as_faculty: Client, sandbox: Sandbox, source: str, also_wrong: dict[str, str]
) -> None:
    answer = as_faculty.post(URL, form(source=source, **also_wrong))
    assert answer.status_code == 422
    assert answer.context["form"].errors["source"] == [
        "No course that you teach was found. You can copy courses where Moodle lists you as a teacher."
    ]
    assert answer.context["form"].non_field_errors() == []
    assert not DuplicationJob.objects.exists()


@pytest.mark.parametrize("typed", ["AT&T-foreign", "no such short name"])
def test_short_name_does_not_reveal_a_foreign_course_to_faculty(
    as_faculty: Client, sandbox: Sandbox, typed: str
) -> None:
    sandbox.state.change(NOT_TAUGHT, shortname="AT&T-foreign")
    answer = as_faculty.post(URL, form(source=None, source_query=typed))
    assert "No course that you teach was found." in answer.context["form"].errors["source"][0]


def test_chosen_source_is_kept_while_moodle_fails_at_submit(as_administrator: Client, sandbox: Sandbox) -> None:
    as_administrator.get(f"{URL}preview/", {"source": BIO101, "activities": "1"})
    sandbox.stop()
    page = text(as_administrator.post(URL, form(source_query="biology")))
    assert f'name="source" value="{BIO101}" checked' in page
    assert "Introduction to Biology" in page
    assert "Moodle did not answer." in page
    assert "No course was found" not in page


def test_chosen_source_is_kept_even_without_its_name(as_administrator: Client, sandbox: Sandbox) -> None:
    sandbox.stop()
    page = text(as_administrator.post(URL, form()))
    assert f'name="source" value="{BIO101}" checked' in page
    assert "name unknown while Moodle does not answer" in page


def test_names_of_a_choice_are_not_shown_to_somebody_else(
    as_administrator: Client, as_faculty: Client, sandbox: Sandbox
) -> None:
    sandbox.state.change(NOT_TAUGHT, fullname="Merger, confidential")
    as_administrator.get(f"{URL}preview/", {"source": NOT_TAUGHT, "activities": "1"})
    sandbox.stop()
    assert "confidential" in text(as_administrator.get(f"{URL}?source={NOT_TAUGHT}"))
    assert "confidential" not in text(as_faculty.get(f"{URL}?source={NOT_TAUGHT}"))


def test_copy_again_fills_in_a_free_name(as_administrator: Client, administrator: User, sandbox: Sandbox) -> None:
    sandbox.state.change(NOT_TAUGHT, shortname="BIO101-2027S1")
    made = a_job(State.SUCCEEDED, "BIO101-2027S1", source_id=BIO101, requester=administrator)
    page = text(as_administrator.get(f"{URL}?from={made.pk}"))
    assert 'name="shortname" value="BIO101-2028S1"' in page
    assert 'name="fullname" value="Introduction to Biology (2028S1)"' in page
    assert "BIO101-2027S1 is taken" in page
    assert "requested by Ada Admin on <time" in page
    assert "so BIO101-2028S1 is suggested." in page


def test_taken_name_of_somebody_elses_copy_is_explained_without_the_person(
    as_faculty: Client, colleague: User, sandbox: Sandbox
) -> None:
    a_job(shortname="BIO101-2027S1", requester=colleague)
    page = text(as_faculty.get(f"{URL}preview/", {"source": BIO101, "activities": "1"}))
    assert "BIO101-2027S1 is taken, so BIO101-2028S1 is suggested." in page
    assert "Nadia" not in page


def test_taken_short_name_is_linked_and_a_free_one_offered(as_administrator: Client, sandbox: Sandbox) -> None:
    sandbox.state.change(NOT_TAUGHT, shortname="BIO101-2027S1", fullname="Other")
    link = f'<a href="{sandbox.url}/course/view.php?id={NOT_TAUGHT}">“Other”</a>'
    checked = text(as_administrator.get(f"{URL}check-short-name/", {"shortname": "BIO101-2027S1"}))
    assert link in checked
    assert 'data-fills="shortname" data-value="BIO101-2028S1"' in checked
    sent = text(as_administrator.post(URL, form()))
    assert link in sent
    assert "“BIO101-2028S1” is free." in sent


def test_policy_on_data_of_people_is_shown_once(as_faculty: Client, sandbox: Sandbox) -> None:
    assert text(as_faculty.get(URL)).count("Only course administrators") == 1


def test_focus_starts_in_the_search_unless_a_source_is_chosen(as_administrator: Client, sandbox: Sandbox) -> None:
    assert "autofocus" in text(as_administrator.get(URL))
    assert "autofocus" not in text(as_administrator.get(f"{URL}?source={BIO101}"))
