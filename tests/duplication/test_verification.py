"""The copy held against its source."""

from dataclasses import replace
from typing import Any

import pytest

from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.states import State
from dupdash.duplication.verification import NAMED_MOST, compare
from dupdash.moodle.options import defaults
from dupdash.moodle.records import Activity, Contents
from dupdash.moodle.records import Section as ReadSection
from dupdash.sandbox.records import Course, Section
from tests.duplication.support import Moodle, run, submit

pytestmark = pytest.mark.django_db(transaction=True)


def report_of(job: DuplicationJob) -> dict[str, Any]:
    assert job.state == State.SUCCEEDED, "a difference is a warning, not a failure"
    assert job.verification is not None
    report: dict[str, Any] = job.verification
    return report


def without_last_activity(section: Section) -> Section:
    return replace(section, modules=section.modules[:-1])


def copied(moodle: Moodle, source: str = "BIO101-2026S1", **wish: Any) -> DuplicationJob:
    return run(submit(source, **wish))


def tampered(moodle: Moodle, change: Any) -> DuplicationJob:
    """A copy of which Moodle made something else than its source, as soon as its contents were there."""
    job = submit("BIO101-2026S1")

    def tamper() -> None:
        course: Course = moodle.course("NEW-1")
        moodle.change(course.id, sections=change(course.sections))

    # The first look at the contents of the copy is not before it is complete.
    moodle.when("core_course_get_contents", lambda: None, about=str(job.source_id))
    moodle.when("core_course_get_contents", tamper, about=str(job.source_id))
    return run(job)


def test_it_finds_a_whole_copy_complete(moodle: Moodle) -> None:
    report = report_of(copied(moodle))
    source = moodle.course("BIO101-2026S1")
    assert report["complete"]
    assert report["sections"] == {
        "source": len(source.sections),
        "copy": len(source.sections),
        "missing": [],
        "extra": [],
    }
    assert report["activities"] == {"source": 64, "expected": 64, "copy": 64, "missing": [], "extra": []}


def test_it_expects_no_activities_where_none_were_asked_for(moodle: Moodle) -> None:
    report = report_of(copied(moodle, options=defaults() | {"activities": False}))
    assert report["complete"]
    assert (report["activities"]["source"], report["activities"]["expected"], report["activities"]["copy"]) == (
        64,
        0,
        0,
    )


def test_it_lists_what_is_missing(moodle: Moodle) -> None:
    job = tampered(moodle, lambda sections: (*sections[:-1], without_last_activity(sections[-1])))
    report = report_of(job)
    lost = moodle.course("BIO101-2026S1").sections[-1].modules[-1]
    assert not report["complete"]
    assert report["activities"]["missing"] == [{"type": lost.modname, "name": lost.name, "count": 1}]
    assert report["activities"]["copy"] == 63
    assert report["activities"]["extra"] == []


def test_it_lists_missing_and_extra_sections(moodle: Moodle) -> None:
    job = tampered(moodle, lambda sections: (*sections[:-1], replace(sections[-1], name="Something else")))
    report = report_of(job)
    last = moodle.course("BIO101-2026S1").sections[-1]
    assert report["sections"]["missing"] == [{"type": str(last.section), "name": last.name, "count": 1}]
    assert report["sections"]["extra"] == [{"type": str(last.section), "name": "Something else", "count": 1}]


def a_course(*activities: tuple[str, str]) -> Contents:
    modules = tuple(Activity(number, name, kind, True) for number, (kind, name) in enumerate(activities, 1))
    return Contents((ReadSection(1, 0, "General", modules),))


def test_it_counts_activities_of_one_name() -> None:
    report = compare(
        a_course(("quiz", "Q"), ("quiz", "Q"), ("page", "Q")), a_course(("quiz", "Q")), with_activities=True
    )
    assert report["activities"]["missing"] == [
        {"type": "quiz", "name": "Q", "count": 1},
        {"type": "page", "name": "Q", "count": 1},
    ]


def test_it_lists_what_is_there_though_nobody_asked() -> None:
    report = compare(a_course(("quiz", "Q")), a_course(("quiz", "Q")), with_activities=False)
    assert report["activities"]["extra"] == [{"type": "quiz", "name": "Q", "count": 1}]
    assert not report["complete"]


def test_it_names_some_and_counts_all() -> None:
    source = a_course(*(("page", f"Page {number}") for number in range(200)))
    report = compare(source, a_course(), with_activities=True)
    assert len(report["activities"]["missing"]) == NAMED_MOST
    assert report["activities"]["copy"] == 0
    assert report["activities"]["expected"] == 200
