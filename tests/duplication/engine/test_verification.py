"""Tests the verification, which compares a finished copy with its source."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from dupdash.duplication import tasks
from dupdash.duplication.engine.comparison import NAMED_MOST, compare
from dupdash.duplication.engine.verification import why_not_verified
from dupdash.duplication.models import DuplicationJob, MoodleHealth, Proof
from dupdash.duplication.states import State
from dupdash.moodle import parsing
from dupdash.moodle.options import defaults
from dupdash.moodle.records import Activity, Contents
from dupdash.moodle.records import Section as ReadSection
from dupdash.moodle.unstorable_characters import storable_json
from dupdash.sandbox.records import Module, Section
from tests.captures import capture
from tests.duplication.support import Clock, Moodle, a_job, run_worker, submit, working_on

pytestmark = pytest.mark.django_db(transaction=True)

CONTENTS = "core_course_get_contents"


def report_of(job: DuplicationJob) -> dict[str, Any]:
    assert job.state == State.SUCCEEDED, "a difference is a warning, not a failure"
    assert job.verification is not None
    report: dict[str, Any] = job.verification
    return report


def without_last_activity(section: Section) -> Section:
    return replace(section, modules=section.modules[:-1])


def copied(moodle: Moodle, source: str = "BIO101-2026S1", **wish: Any) -> DuplicationJob:
    return run_worker(submit(source, **wish))


def copy_with_changes(moodle: Moodle, change: Any) -> DuplicationJob:
    """Return a copy whose contents were changed before it was verified."""
    job = submit("BIO101-2026S1")
    with moodle.held_at("content"), working_on(job):
        moodle.wait_for_step("content")
        (course,) = moodle.made()
        moodle.change(course.id, sections=change(course.sections))
        moodle.gates.release()
    job.refresh_from_db()
    return job


def test_complete_copy_is_verified(moodle: Moodle) -> None:
    report = report_of(copied(moodle))
    source = moodle.course("BIO101-2026S1")
    assert report["complete"]
    assert report["sections"] == {
        "source": len(source.sections),
        "expected": len(source.sections),
        "copy": len(source.sections),
        "matched": len(source.sections),
        "missing": [],
        "extra": [],
        "more_missing": 0,
        "more_extra": 0,
    }
    assert report["activities"] == {
        "source": 64,
        "expected": 64,
        "copy": 64,
        "matched": 64,
        "missing": [],
        "extra": [],
        "more_missing": 0,
        "more_extra": 0,
    }


def test_no_activities_are_expected_without_the_option(moodle: Moodle) -> None:
    report = report_of(copied(moodle, options=defaults() | {"activities": False}))
    assert report["complete"]
    assert (report["activities"]["source"], report["activities"]["expected"], report["activities"]["copy"]) == (
        64,
        0,
        0,
    )


def test_missing_activities_are_listed(moodle: Moodle) -> None:
    job = copy_with_changes(moodle, lambda sections: (*sections[:-1], without_last_activity(sections[-1])))
    report = report_of(job)
    lost = moodle.course("BIO101-2026S1").sections[-1].modules[-1]
    assert not report["complete"]
    assert report["activities"]["missing"] == [{"type": lost.modname, "name": lost.name, "count": 1}]
    assert report["activities"]["copy"] == 63
    assert report["activities"]["extra"] == []


def test_missing_and_extra_sections_are_listed(moodle: Moodle) -> None:
    job = copy_with_changes(moodle, lambda sections: (*sections[:-1], replace(sections[-1], name="Something else")))
    report = report_of(job)
    last = moodle.course("BIO101-2026S1").sections[-1]
    assert report["sections"]["missing"] == [{"type": str(last.section), "name": last.name, "count": 1}]
    assert report["sections"]["extra"] == [{"type": str(last.section), "name": "Something else", "count": 1}]


def a_course(*activities: tuple[str, str]) -> Contents:
    modules = tuple(Activity(number, name, kind, True) for number, (kind, name) in enumerate(activities, 1))
    return Contents((ReadSection(id=1, number=0, name="General", modules=modules),))


def measured(name: str) -> Contents:
    return parsing.contents(storable_json(capture(name)["body"]), [])


def test_subsections_that_exchanged_their_numbers_are_no_difference() -> None:
    source, copy = measured("contents_subsections"), measured("contents_subsections_copy")
    assert [section.name for section in source.sections] != [section.name for section in copy.sections]
    report = compare(source, copy, with_activities=True)
    assert report["complete"]
    assert report["sections"]["matched"] == 6


def weekly(*names: str) -> Contents:
    return Contents(tuple(ReadSection(id=n, number=n, name=name, modules=()) for n, name in enumerate(names)))


@pytest.mark.parametrize("dates_moved", [True, False])
def test_weeks_of_another_term_are_no_difference_if_the_dates_moved(dates_moved: bool) -> None:
    """A weekly course names its sections after dates, so they have other names when the start date has moved."""
    source = weekly("General", "14 September - 20 September", "21 September - 27 September", "Revision")
    copy = weekly("General", "11 March - 17 March", "18 March - 24 March", "Revision")
    report = compare(source, copy, with_activities=True, dates_moved=dates_moved)
    assert (report["complete"], report["sections"]["matched"]) == ((True, 4) if dates_moved else (False, 2))


def test_other_sections_are_differences_although_the_dates_moved() -> None:
    source = weekly("General", "14 September - 20 September", "Revision", "Week 3")
    copy = weekly("General", "11 March - 17 March", "Exam")
    sections = compare(source, copy, with_activities=True, dates_moved=True)["sections"]
    assert [entry["name"] for entry in sections["missing"]] == ["Revision", "Week 3"]
    assert [entry["name"] for entry in sections["extra"]] == ["Exam"]


def test_report_ignores_the_weeks_of_a_copy_with_a_new_start_date(moodle: Moodle) -> None:
    MoodleHealth.objects.update_or_create(id=1, defaults={"driver": "synchronous", "may_update": True})
    source = moodle.course("BIO101-2026S1")

    def named_after(term: str) -> tuple[Section, ...]:
        return tuple(replace(section, name=f"{section.section} {term}") for section in source.sections)

    moodle.change(source.id, sections=named_after("March"))
    job = submit("BIO101-2026S1", startdate=date(2026, 9, 14))
    with moodle.held_at("content"), working_on(job):
        moodle.wait_for_step("content")
        (course,) = moodle.made()
        moodle.change(course.id, sections=named_after("September"))
        moodle.gates.release()
    job.refresh_from_db()
    assert report_of(job)["complete"]


def test_missing_subsection_is_named() -> None:
    source = measured("contents_subsections")
    copy = msgspec.structs.replace(source, sections=source.sections[:-1])
    report = compare(source, copy, with_activities=True)
    assert report["sections"]["missing"] == [{"type": "mod_subsection", "name": "Part 2", "count": 1}]


def test_copy_of_subsections_is_verified(moodle: Moodle) -> None:
    assert report_of(copied_with_subsections(moodle))["complete"]


def test_subsections_are_not_expected_without_activities(moodle: Moodle) -> None:
    report = report_of(copied_with_subsections(moodle, options=defaults() | {"activities": False}))
    assert report["complete"]
    sections = report["sections"]
    assert (sections["source"], sections["expected"], sections["copy"]) == (6, 4, 4)


def copied_with_subsections(moodle: Moodle, **request: Any) -> DuplicationJob:
    parts = tuple(
        Section(900 + number, 4 + number, f"Part {number}", "", (Module(9000 + number, "page", "P"),), "mod_subsection")
        for number in range(2)
    )
    source = moodle.course("BIO101-2026S1")
    moodle.state.change(source.id, sections=(*source.sections[:4], *parts))
    return copied(moodle, **request)


def test_activities_with_equal_names_are_counted() -> None:
    report = compare(
        a_course(("quiz", "Q"), ("quiz", "Q"), ("page", "Q")), a_course(("quiz", "Q")), with_activities=True
    )
    assert report["activities"]["missing"] == [
        {"type": "quiz", "name": "Q", "count": 1},
        {"type": "page", "name": "Q", "count": 1},
    ]


def test_unrequested_activities_are_listed() -> None:
    report = compare(a_course(("quiz", "Q")), a_course(("quiz", "Q")), with_activities=False)
    assert report["activities"]["extra"] == [{"type": "quiz", "name": "Q", "count": 1}]
    assert not report["complete"]


def test_long_lists_of_differences_are_cut_and_counted() -> None:
    source = a_course(*(("page", f"Page {number}") for number in range(200)), *[("quiz", "Q")] * 3)
    copy = a_course(("page", "Page 0"), *(("label", f"Label {number}") for number in range(60)))
    activities = compare(source, copy, with_activities=True)["activities"]
    assert len(activities["missing"]) == len(activities["extra"]) == NAMED_MOST
    assert (activities["expected"], activities["copy"], activities["matched"]) == (203, 61, 1)
    # Each missing activity counts: three quizzes with the same name are among them.
    assert (activities["more_missing"], activities["more_extra"]) == (202 - NAMED_MOST, 60 - NAMED_MOST)


def test_activities_in_both_courses_are_counted() -> None:
    report = compare(
        a_course(("quiz", "Q"), ("page", "P"), ("page", "P")),
        a_course(("quiz", "Q"), ("page", "P"), ("forum", "F")),
        with_activities=True,
    )
    assert (report["activities"]["expected"], report["activities"]["copy"]) == (3, 3)
    assert report["activities"]["matched"] == 2
    assert not report["complete"]


# --- Verification that was not possible when the copy ended -------------------------------------------------------


def unverified(moodle: Moodle, shortname: str = "NEW-1", **columns: Any) -> DuplicationJob:
    """Return a job that has just succeeded, but whose copy could not be compared with its source."""
    source, copy = moodle.course("AT&T"), moodle.add(shortname, sections=moodle.course("AT&T").sections)
    given = {"source_id": source.id, "course_id": copy.id, "finished_at": timezone.now(), "proof": Proof.ANSWERED}
    return a_job(State.SUCCEEDED, shortname, **(given | columns))


def sweep_and_reload(job: DuplicationJob) -> DuplicationJob:
    tasks.sweep()
    job.refresh_from_db()
    return job


def test_comparison_is_retried_at_growing_intervals(moodle: Moodle, clock: Clock) -> None:
    job = unverified(moodle)
    moodle.faults.set("html", function=CONTENTS)
    began, tries = timezone.now(), []
    while timezone.now() < began + timedelta(hours=6):
        before = moodle.faults.struck["html"]
        sweep_and_reload(job)
        if moodle.faults.struck["html"] > before:
            tries.append((timezone.now() - began).total_seconds())
        clock.forward(5 if len(tries) < 5 else 300)
    pauses = [round(later - sooner, -2) for sooner, later in pairwise(tries)]
    assert pauses == sorted(pauses), "longer and longer"
    assert 10 < len(tries) < 20
    assert max(pauses) > 3000
    assert job.verification is None
    moodle.faults.clear()
    clock.forward(3600)
    assert report_of(sweep_and_reload(job))["complete"]
    assert job.verify_at is None


def test_failed_comparisons_do_not_delay_the_others(moodle: Moodle) -> None:
    """Verifications that fail do not delay those of other jobs: each sweep tries all of them."""
    ended = timezone.now()
    all_of_them = [unverified(moodle, f"NEW-{number}", finished_at=ended) for number in range(7)]
    moodle.faults.set("html", function=CONTENTS, count=18)
    tasks.sweep()
    made = DuplicationJob.objects.filter(verification__isnull=False)
    assert made.count() == 1, "each try is repeated twice, so six were in vain"
    moodle.faults.clear()
    for job in made:
        assert job in all_of_them
        assert report_of(job)["complete"]


@pytest.mark.parametrize("which", ["source", "copy"])
def test_report_names_the_deleted_course(moodle: Moodle, which: str) -> None:
    job = unverified(moodle)
    gone = {"source": job.source_id, "copy": job.course_id}[which] or 0
    moodle.state.delete(gone)
    report = report_of(sweep_and_reload(job))
    assert why_not_verified(report).startswith(f"dupdash no longer finds the {which}, course {gone}, in Moodle: ")
    assert not report["complete"]
    assert not job.differs, "nobody knows"
    assert job.verify_at is None


def test_report_says_that_comparing_failed_for_a_day(moodle: Moodle, clock: Clock) -> None:
    job = unverified(moodle)
    moodle.faults.set("html", function=CONTENTS)
    clock.forward(86_000)
    assert sweep_and_reload(job).verification is None
    clock.forward(3600)
    why = why_not_verified(report_of(sweep_and_reload(job)))
    assert why.startswith("dupdash tried for a day to compare the two courses. The last error was: ")
    assert why.endswith(".")
    moodle.faults.clear()
    clock.forward(86_400)
    assert why_not_verified(report_of(sweep_and_reload(job))) == why, "that was the last word"


def test_comparison_is_retried_while_moodle_is_down(moodle: Moodle, clock: Clock) -> None:
    """The comparison is retried as long as Moodle is down."""
    job = unverified(moodle)
    moodle.faults.set("refuse", seconds=3600)
    for _ in range(3):
        clock.forward(86_400)
        assert sweep_and_reload(job).verification is None
    moodle.faults.clear()
    clock.forward(3600)
    assert report_of(sweep_and_reload(job))["complete"]


def test_single_late_attempt_is_not_a_day_of_attempts(moodle: Moodle, clock: Clock) -> None:
    """One late attempt does not count as a day of attempts, for example after dupdash was stopped for a day."""
    job = unverified(moodle)
    clock.forward(90_000)
    moodle.faults.set("html", function=CONTENTS, count=3)
    assert sweep_and_reload(job).verification is None
