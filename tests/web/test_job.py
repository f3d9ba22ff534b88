"""Tests the page of a job: its request, progress, outcome, differences from the source, and candidates."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dupdash.duplication.explanations import EXPLANATIONS, UNKNOWN
from dupdash.duplication.models import DuplicationJob, JobEvent, MoodleHealth
from dupdash.duplication.states import State
from tests.duplication.support import compared, evidence_json
from tests.web.support import a_job, a_running_job, text

pytestmark = pytest.mark.django_db


def _event(job: DuplicationJob, kind: str, reason: str, **more: Any) -> None:
    JobEvent.objects.create(job=job, kind=kind, from_state=job.state, to_state=job.state, reason=reason, **more)


def test_page_shows_the_request(as_faculty: Client, faculty: User) -> None:
    job = a_job(requester=faculty, note="For the spring.\n<b>Please</b>", category_name="Science / Biology")
    page = text(as_faculty.get(f"/jobs/{job.pk}/"))
    for words in (
        "Copy called NEW-1",
        "Fay Faculty",
        "Science / Biology",
        "Activities and resources, Blocks, Filters",
        "For the spring.<br>&lt;b&gt;Please&lt;/b&gt;",
        job.pk,
        "Students can see it",
    ):
        assert words in page


def test_delay_of_a_retry_is_not_shown_as_scheduled(as_administrator: Client) -> None:
    now = timezone.now()
    delayed = a_job(shortname="DELAYED", started_at=now, retry_at=now + timedelta(minutes=5))
    for address in (f"/jobs/{delayed.pk}/", f"/jobs/{delayed.pk}/summary.txt"):
        assert "Scheduled" not in text(as_administrator.get(address))
    # A requested start time is shown before and after the start.
    waits = a_job(shortname="WAITS", not_before=now + timedelta(hours=1))
    runs = a_running_job(shortname="RUNS", not_before=now - timedelta(hours=1))
    for job in (waits, runs):
        for address in (f"/jobs/{job.pk}/", f"/jobs/{job.pk}/summary.txt"):
            assert "Scheduled" in text(as_administrator.get(address))


def test_unknown_progress_is_shown_as_unknown(as_administrator: Client) -> None:
    page = text(as_administrator.get(f"/jobs/{a_running_job().pk}/"))
    assert 'aria-valuetext="Unknown' in page
    assert "aria-valuenow" not in page.partition('id="job-overall-label"')[2].partition("</svg>")[0]
    assert "No earlier copies to estimate from" in page
    assert "not known" in page


def test_rough_estimate_is_marked_as_rough(as_administrator: Client) -> None:
    begun = timezone.now() - timedelta(seconds=2)
    job = a_running_job(started_at=begun, sent_at=begun, source_activities=95)
    for address in (f"/jobs/{job.pk}/", "/jobs/"):
        assert 'aria-valuetext="roughly ' in text(as_administrator.get(address))
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "Rough estimate from the number of activities" in page
    assert "not known" in page


def test_estimate_is_marked_as_estimate(as_administrator: Client) -> None:
    begun = timezone.now() - timedelta(seconds=1960)
    job = a_running_job(started_at=begun, sent_at=begun, expected_backup=6000.0, expected_restore=6000.0)
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert 'aria-valuetext="about 16 %' in page
    assert "data-estimate" in page
    assert "about 2 h 45 min left, based on earlier copies" in page


def test_overdue_copy_shows_no_time_left(as_administrator: Client) -> None:
    begun = timezone.now() - timedelta(seconds=500)
    job = a_running_job(started_at=begun, sent_at=begun, restore_at=begun, expected_backup=1.0, expected_restore=9.0)
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "Takes longer than earlier copies" in page
    assert 'aria-valuetext="about 95 %' in page


def test_activity_shows_who_did_what_and_why(as_faculty: Client, faculty: User, administrator: User) -> None:
    job = a_job(State.CANCELLED, requester=faculty)
    _event(job, "cancelled", "Cancelled before the copy was started.", actor=administrator, via="Excel <1>")
    page = text(as_faculty.get(f"/jobs/{job.pk}/"))
    assert "Ada Admin through Excel &lt;1&gt;" in page
    assert "Cancelled before the copy was started." in page


@pytest.mark.parametrize("code", [*EXPLANATIONS, "cannotrestore"])
def test_page_explains_every_failure(as_faculty: Client, faculty: User, code: str) -> None:
    job = a_job(State.FAILED, requester=faculty, failure_code=code, failure_message="Kaputt & <raw>")
    page = as_faculty.get(f"/jobs/{job.pk}/").content.decode()
    why = EXPLANATIONS.get(code, UNKNOWN)
    for sentence in (why.happened, why.means):
        assert sentence.replace("<", "&lt;").replace(">", "&gt;") in page
    # Only administrators and the help desk see Moodle's message.
    assert "Kaputt" not in page


def test_moodles_error_message_is_for_administrators_and_help_desk(
    as_help_desk: Client, as_administrator: Client
) -> None:
    sent = {"errorcode": "cannotrestore", "message": "Kaputt & <raw>", "debuginfo": "Table 'x' is full"}
    job = a_job(State.FAILED, failure_code="partial_course", failure_message="A sentence of ours.", moodle_error=sent)
    _event(job, "failed", "Stopped.", data=sent)
    for client in (as_help_desk, as_administrator):
        page = text(client.get(f"/jobs/{job.pk}/"))
        assert "Moodle’s error message" in page
        assert "cannotrestore Kaputt &amp; &lt;raw&gt; Table &#x27;x&#x27; is full" in page
        assert "A sentence of ours." not in page
        assert "&quot;debuginfo&quot;: &quot;Table" in page


def test_own_messages_are_not_shown_as_moodles(as_help_desk: Client) -> None:
    job = a_job(State.FAILED, failure_code="unreachable", failure_message="No connection. dupdash tried 9 times.")
    page = text(as_help_desk.get(f"/jobs/{job.pk}/"))
    assert "Moodle’s error message" not in page
    assert "Details of the failure" in page
    assert "dupdash tried 9 times." in page


def _partial(**more: Any) -> DuplicationJob:
    seen = {"id": 460, "shortname": "SRC_1", "fullname": "Source copy 1", "visible": True, "category_id": 2}
    given: dict[str, Any] = {
        "sent_at": timezone.now(),
        "course_id": 460,
        "proof": "seen",
        "failure_code": "partial_course",
        "evidence": evidence_json(seen, own=460),
    }
    return a_job(State.FAILED, **(given | more))


def test_partial_course_is_named_and_can_be_deleted(as_administrator: Client) -> None:
    MoodleHealth.objects.create(may_delete=True)
    job = _partial()
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "“Source copy 1”</a> (SRC_1), id 460." in page
    assert "Students can see it." in page
    assert f'href="/jobs/{job.pk}/delete-partial-course/" data-opens="delete-partial-job-dialog"' in page
    assert '<dialog class="dialog" id="delete-partial-job-dialog"' in page


def test_deletion_is_not_offered_if_the_token_may_not_delete(as_administrator: Client) -> None:
    assert "delete-partial-course" not in text(as_administrator.get(f"/jobs/{_partial().pk}/"))


def test_deletion_is_not_offered_to_faculty(as_faculty: Client, faculty: User) -> None:
    MoodleHealth.objects.create(may_delete=True)
    page = text(as_faculty.get(f"/jobs/{_partial(requester=faculty).pk}/"))
    assert "A partial course is in Moodle" in page
    assert "delete-partial-course" not in page


def test_deleted_partial_course_is_no_longer_named(as_administrator: Client) -> None:
    page = text(as_administrator.get(f"/jobs/{_partial(course_deleted_at=timezone.now()).pk}/"))
    assert "A partial course is in Moodle" not in page
    assert "delete-partial-course" not in page


REPORT: dict[str, Any] = {
    "sections": compared(6, 6),
    "activities": compared(
        64,
        63,
        matched=62,
        missing=[{"type": "attendance", "name": "Presence", "count": 2}],
        extra=[{"type": "forum", "name": "News", "count": 1}],
    ),
    "complete": False,
}


def test_missing_contents_are_a_warning(as_administrator: Client) -> None:
    job = a_job(State.SUCCEEDED, course_id=470, proof="answered", verification=REPORT)
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "The copy differs from its source" in page
    assert "Attendance “Presence”, 2 times" in page
    assert "Forum “News”" in page
    assert "Activities and resources: 62 of 64." in page
    assert 'data-state="succeeded"' in page


def test_missing_section_and_missing_subsection_are_named(as_administrator: Client) -> None:
    missing = [
        {"type": "4", "name": "Week 4", "count": 1},
        {"type": "mod_subsection", "name": "Part 2", "count": 1},
    ]
    page = _page_of({"sections": REPORT["sections"] | {"missing": missing}}, as_administrator)
    assert "Section 4 “Week 4”" in page
    assert "Subsection “Part 2”" in page


def test_contents_that_could_not_be_compared_are_counted(as_administrator: Client) -> None:
    page = _page_of({"left_out": 2}, as_administrator)
    assert "Not compared, because Moodle could not list them completely: 2." in page


def _page_of(report: dict[str, Any], client: Client) -> str:
    job = a_job(State.SUCCEEDED, course_id=470, proof="answered", verification=REPORT | report)
    return text(client.get(f"/jobs/{job.pk}/"))


def _pages(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"type": "page", "name": f"Page {number}", "count": 1} for number in range(first, first + count)]


def test_long_lists_of_differences_are_cut_and_counted(as_administrator: Client) -> None:
    sections = compared(10, 6, more_missing=4)
    activities = compared(200, 125, matched=120, missing=_pages(50), more_missing=30, extra=_pages(5, 900))
    page = _page_of({"sections": sections, "activities": activities}, as_administrator)
    missing, _, extra = page.partition("In the copy only")
    assert "Page 49”</li><li>and 34 more</li></ul>" in missing
    assert "Page 904”</li></ul>" in extra
    assert "Sections: 6 of 10. Activities and resources: 120 of 200." in page


def test_only_contents_in_both_courses_count_as_copied(as_administrator: Client) -> None:
    """Only contents in both courses count as copied: an extra activity does not replace a missing one."""
    activities = compared(80, 80, matched=79, missing=_pages(1), extra=_pages(1, 9))
    page = _page_of({"activities": activities}, as_administrator)
    assert "Activities and resources: 79 of 80." in page
    assert "80 of 80" not in page


def test_activities_that_were_not_requested_are_counted(as_administrator: Client) -> None:
    page = _page_of({"activities": compared(64, 0, expected=0)}, as_administrator)
    assert "Activities and resources: 0 of 0. The 64 activities of the source were not requested." in page
    page = _page_of({"activities": compared(1, 0, expected=0)}, as_administrator)
    assert "The 1 activity of the source was not requested." in page


def test_complete_copy_is_shown_as_verified(as_administrator: Client, settings: Any) -> None:
    settings.MOODLE_URL = "https://moodle.example.edu"
    report = REPORT | {"complete": True, "activities": compared(64, 64)}
    job = a_job(State.SUCCEEDED, course_id=470, proof="answered", verification=report)
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "Verified: all requested sections and activities were copied" in page
    assert 'href="https://moodle.example.edu/course/view.php?id=470"' in page
    assert "Open in Moodle" in page


def test_copy_that_could_not_be_compared_is_a_warning(as_administrator: Client) -> None:
    report = {"complete": False, "why_not": "dupdash no longer finds the source, course 7, in Moodle."}
    job = a_job(State.SUCCEEDED, course_id=470, proof="answered", verification=report)
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    outcome = page.partition('id="job-outcome"')[2]
    assert 'data-level="warning"' in outcome
    assert "This copy could not be compared with its source." in outcome
    assert "dupdash no longer finds the source, course 7, in Moodle." in outcome
    assert "Check the copy in Moodle before you use it." in outcome
    assert "This happens automatically." not in page
    assert "the copy differs" not in page


def test_pending_comparison_is_shown(as_administrator: Client) -> None:
    job = a_job(State.SUCCEEDED, course_id=470, proof="answered")
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "The copy has not been compared with its source yet. This happens automatically." in page


CANDIDATES = evidence_json({"id": 455, "shortname": "SRC_1", "fullname": "Source copy 1", "visible": False})


def test_candidates_are_shown_to_administrators(as_administrator: Client, as_faculty: Client, faculty: User) -> None:
    job = a_job(State.UNRESOLVED, requester=faculty, sent_at=timezone.now(), evidence=CANDIDATES)
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "“Source copy 1”</a> (SRC_1), id 455. Students cannot see it." in page
    assert f"/jobs/{job.pk}/settle/" in page
    theirs = text(as_faculty.get(f"/jobs/{job.pk}/"))
    assert "It is not known whether this copy was made." in theirs
    assert "SRC_1" not in theirs
    assert "/settle/" not in theirs


def test_candidates_of_a_failed_job_are_not_shown_to_faculty(
    as_administrator: Client, as_help_desk: Client, as_faculty: Client, faculty: User
) -> None:
    """Faculty do not see the candidates of a failed job, which may be courses of other people."""
    job = a_job(State.FAILED, requester=faculty, failure_code="error", sent_at=timezone.now(), evidence=CANDIDATES)
    for client in (as_administrator, as_help_desk):
        page = text(client.get(f"/jobs/{job.pk}/"))
        assert "Course that may be this copy" in page
        assert "Check the course in Moodle before you delete it." in page
        assert "“Source copy 1”</a> (SRC_1), id 455. Students cannot see it." in page
    theirs = text(as_faculty.get(f"/jobs/{job.pk}/"))
    assert "that may be this copy" not in theirs
    assert "SRC_1" not in theirs
    assert "id 455" not in theirs


@pytest.mark.parametrize("state", [State.CHECKING, State.SUCCEEDED])
def test_candidates_are_hidden_when_nobody_has_to_decide(as_administrator: Client, state: State) -> None:
    job = a_running_job(state, evidence=CANDIDATES)
    assert "that may be this copy" not in text(as_administrator.get(f"/jobs/{job.pk}/"))


def test_cancelled_copy_that_is_still_in_moodle_is_named(as_faculty: Client, faculty: User, settings: Any) -> None:
    """The page of a cancelled job names a copy that could not be deleted and is still in Moodle."""
    settings.MOODLE_URL = "https://moodle.example.edu"
    made = {"course_id": 470, "proof": "seen", "cancel_requested_at": timezone.now()}
    job = a_job(State.SUCCEEDED, requester=faculty, **made)
    page = text(as_faculty.get(f"/jobs/{job.pk}/"))
    outcome = page.partition('id="job-outcome"')[2].partition('id="job-status"')[0]
    assert 'data-level="warning"' in outcome
    assert "This copy was cancelled, but Moodle made it and dupdash did not delete it." in outcome
    assert "If nobody needs the course, delete it in Moodle." in outcome
    assert 'href="https://moodle.example.edu/course/view.php?id=470"' in page
    assert 'id="course-id">470<' in page.partition('id="job-courses"')[2]
    assert "did not delete it" not in text(as_faculty.get(f"/jobs/{a_job(State.SUCCEEDED, requester=faculty).pk}/"))


def test_reason_of_a_refusal_is_shown(as_faculty: Client, faculty: User) -> None:
    job = a_job(State.REJECTED, requester=faculty)
    _event(job, "rejected", "There is a copy already.")
    page = text(as_faculty.get(f"/jobs/{job.pk}/"))
    assert "This copy was refused." in page
    # The reason is in the callout and in the timeline, and twice in the summary for a ticket.
    assert page.partition('id="job-summary"')[0].count("There is a copy already.") == 2


def test_ended_job_is_not_polled(as_administrator: Client) -> None:
    going_on = text(as_administrator.get(f"/jobs/{a_job(shortname='A').pk}/"))
    assert 'hx-trigger="every 2s, refresh"' in going_on
    assert '<noscript><meta http-equiv="refresh"' in going_on
    ended = text(as_administrator.get(f"/jobs/{a_job(State.SUCCEEDED, 'B').pk}/"))
    assert "/status/" not in ended
    assert 'http-equiv="refresh"' not in ended


def test_retry_links_the_failed_job(as_administrator: Client) -> None:
    old = a_job(State.FAILED)
    page = text(as_administrator.get(f"/jobs/{a_job(retry_of=old).pk}/"))
    assert f'Attempt 2; <a href="/jobs/{old.pk}/">the previous attempt</a>' in page


@pytest.mark.parametrize("address", ["/jobs/1/", "/jobs/nonsense/", f"/jobs/{'G' * 32}/"])
def test_malformed_job_id_is_not_found(as_administrator: Client, address: str) -> None:
    assert as_administrator.get(address).status_code == 404


@pytest.mark.parametrize("code", ["sitemaintenance", "invalidtoken", "accessexception"])
def test_failed_copy_is_not_shown_as_waiting(as_faculty: Client, faculty: User, code: str) -> None:
    job = a_job(State.FAILED, requester=faculty, failure_code=code, failure_message="x")
    assert "dupdash gave up this copy" in text(as_faculty.get(f"/jobs/{job.pk}/"))


@pytest.mark.parametrize("code", ["partial_course", "incomplete_copy"])
def test_deleted_partial_course_is_explained_as_deleted(as_administrator: Client, code: str) -> None:
    deleted = {"course_id": 9, "proof": "seen", "course_deleted_at": timezone.now()}
    job = a_job(State.FAILED, failure_code=code, **deleted)
    for address in (f"/jobs/{job.pk}/", f"/jobs/{job.pk}/summary.txt"):
        page = text(as_administrator.get(address))
        assert "It stays in Moodle" not in page
        assert "has the requested names" not in page
        assert "has been deleted" in page


def test_activity_names_a_refused_deletion_as_not_deleted(as_administrator: Client) -> None:
    job = a_job(State.SUCCEEDED, course_id=77, proof="seen", cancel_requested_at=timezone.now())
    _event(job, "cancelled_copy_kept", "Course 77 was renamed, so somebody is using it. It is not deleted.")
    _event(job, "shell_kept", "The empty course, id 77, stays in Moodle: Course 77 is no longer hidden.")
    activity = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "The copy was not deleted" in activity
    assert "The empty course was not deleted" in activity


def test_page_says_why_an_empty_course_was_not_deleted(as_administrator: Client) -> None:
    job = a_job(State.FAILED, failure_code="dmlwriteexception", course_id=77, proof="seen")
    _event(job, "shell_kept", "The empty course, id 77, stays in Moodle: The token may not delete.")
    page = text(as_administrator.get(f"/jobs/{job.pk}/"))
    assert "An empty course was left in Moodle." in page
    assert "The empty course was not deleted" in page
    assert "The token may not delete." in page
