"""Tests how scripts/acceptance compares copies, and how it cleans up."""

import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from dupdash.sandbox.server import Sandbox
from scripts.lib.acceptance import cleanup
from scripts.lib.acceptance.browser import _Reader
from scripts.lib.acceptance.cleanup import delete_courses, find_leftovers, problems_of, wait_for_unfinished
from scripts.lib.acceptance.comparison import Comparison
from scripts.lib.acceptance.copies import CopyRequest, Entrance, Job, Outcome
from scripts.lib.acceptance.moodle import Course, MoodleClient
from scripts.lib.acceptance.proxy import ImpatientProxy
from scripts.lib.acceptance.report import problems, table
from scripts.lib.acceptance.run import _proxy_problems

ZONE = ZoneInfo("Europe/Berlin")
PREFIX = "acceptance-0a1b2c3d"
DUPLICATE = "core_course_duplicate_course"
START = "core_course_async_duplicate_course"


@pytest.fixture
def moodle() -> Iterator[Sandbox]:
    with Sandbox(speed=1000, collision_window=0) as sandbox:
        yield sandbox


@pytest.fixture
def client(moodle: Sandbox) -> MoodleClient:
    return MoodleClient(moodle.url, moodle.token)


@pytest.fixture
def request_of(moodle: Sandbox) -> CopyRequest:
    source = moodle.course("BIO101-2026S1").id
    return CopyRequest("a scenario", Entrance.FORM, source, f"{PREFIX}-1 in full", f"{PREFIX}-1")


def make_copy(client: MoodleClient, wanted: CopyRequest, category: int, **sent: object) -> int:
    """Make a copy as requested, except for the changes ``sent``. Returns the id of the course."""
    options = {"users": False, "role_assignments": False} | dict(wanted.options)
    fields: dict[str, object] = {
        "courseid": wanted.source,
        "fullname": wanted.fullname,
        "shortname": wanted.shortname,
        "categoryid": category,
        "visible": int(wanted.visible),
        "options": [{"name": name, "value": int(on)} for name, on in options.items()],
    }
    return int(client.call(DUPLICATE, **fields | sent)["id"])


def job(shortname: str, course_id: int | None, state: str = "succeeded") -> Job:
    return Job("j" * 32, shortname, state, True, course_id, "", ())


# Comparison


@pytest.mark.parametrize(
    "options",
    [{}, {"activities": False}, {"users": True}, {"users": True, "role_assignments": True}],
    ids=["default", "no activities", "people", "people with roles"],
)
def test_copy_as_requested_has_no_problem(
    client: MoodleClient, request_of: CopyRequest, options: dict[str, bool]
) -> None:
    wanted = replace(request_of, options=options)
    copy = make_copy(client, wanted, 8)
    assert list(Comparison(client, 8, ZONE).problems(wanted, copy)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"options": {"activities": True}}, "64 × activity only in the copy"),
        ({"options": {"users": True, "activities": False}}, "0 people are enrolled, expected"),
        ({"visible": False, "options": {"activities": False}}, "students can see it"),
        ({"fullname": "Other", "options": {"activities": False}}, f"the full name is '{PREFIX}-1 in full'"),
        ({"shortname": "other", "options": {"activities": False}}, f"the short name is '{PREFIX}-1'"),
    ],
)
def test_difference_between_copy_and_request_is_named(
    client: MoodleClient, request_of: CopyRequest, changes: dict[str, object], said: str
) -> None:
    made = replace(request_of, options={} if said.startswith("64") else {"activities": False})
    copy = make_copy(client, made, 8)
    wanted = replace(request_of, **changes)  # type: ignore[arg-type]
    if said.startswith("64"):
        wanted = replace(wanted, options={"activities": False})
    (problem,) = Comparison(client, 8, ZONE).problems(wanted, copy)
    assert problem.startswith(said)


def test_missing_activities_are_counted_and_named(client: MoodleClient, request_of: CopyRequest) -> None:
    copy = make_copy(client, replace(request_of, options={"activities": False}), 8)
    (problem,) = Comparison(client, 8, ZONE).problems(request_of, copy)
    assert problem.startswith("64 × activity only in the source: ")


@pytest.mark.parametrize("options", [{}, {"activities": False}], ids=["default", "no activities"])
def test_copy_of_subsections_has_no_problem(
    moodle: Sandbox, client: MoodleClient, request_of: CopyRequest, options: dict[str, bool]
) -> None:
    source = moodle.course("BIO101-2026S1")
    parts = [replace(section, component="mod_subsection", name=f"Part {section.id}") for section in source.sections[2:]]
    moodle.state.change(source.id, sections=(*source.sections[:2], *parts))
    wanted = replace(request_of, options=options)
    copy = make_copy(client, wanted, 8)
    assert list(Comparison(client, 8, ZONE).problems(wanted, copy)) == []


def test_copy_in_another_category_is_a_problem(client: MoodleClient, request_of: CopyRequest) -> None:
    copy = make_copy(client, request_of, 8)
    assert list(Comparison(client, 7, ZONE).problems(request_of, copy)) == ["it is in category 8, and 7 was requested"]


def test_copy_that_is_gone_is_a_problem(client: MoodleClient, request_of: CopyRequest) -> None:
    (problem,) = Comparison(client, 8, ZONE).problems(request_of, 987_654)
    assert problem == "Moodle shows no course under the id of the copy"


def moved_copy(client: MoodleClient, wanted: CopyRequest, start: datetime) -> int:
    """Make a copy with another start date with the plugin. Returns the id of the finished course."""
    names = {"id": wanted.source, "fullname": wanted.fullname, "shortname": wanted.shortname, "categoryid": 8}
    started = client.call(START, **names, startdate=int(start.timestamp()))
    while not (course := client.call(f"{START}_get_result", **started)["courseid"]):
        time.sleep(0.01)
    return int(course)


def test_dates_must_be_moved_as_requested() -> None:
    with Sandbox(speed=1000, plugin=True) as moodle:
        client = MoodleClient(moodle.url, moodle.token)
        source = moodle.course("BIO101-2026S1")
        wanted = CopyRequest("a scenario", Entrance.FORM, source.id, f"{PREFIX} in full", PREFIX)
        start = datetime.combine(date(2030, 2, 4), datetime.fromtimestamp(source.startdate, ZONE).time(), ZONE)
        copy = moved_copy(client, wanted, start)
        comparison = Comparison(client, 8, ZONE)
        assert list(comparison.problems(replace(wanted, startdate=start.date()), copy)) == []
        of_start, of_end = comparison.problems(wanted, copy)
        assert of_start.startswith("its start is 2030-02-04 ")
        assert of_end.startswith("its end is ")

        course = moodle.course(PREFIX)
        sections = [
            replace(section, modules=tuple(replace(module, dates=()) for module in section.modules))
            for section in course.sections
        ]
        moodle.state.change(course.id, sections=tuple(sections))
        (problem,) = comparison.problems(replace(wanted, startdate=start.date()), copy)
        assert problem.startswith("the dates of its activities are not those of the source ")


# Cleanup


def create(client: MoodleClient, shortname: str, category: int = 8) -> int:
    wanted = {"fullname": f"Course {shortname}", "shortname": shortname, "categoryid": category}
    return int(client.call("core_course_create_courses", courses=[wanted])[0]["id"])


def test_cleanup_removes_only_the_courses_of_the_run(
    client: MoodleClient, request_of: CopyRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "STRANGER_WAIT", 0)
    # A course that existed before the run, although it has the prefix.
    old = create(client, f"{PREFIX}-old")
    before = frozenset(course.id for course in client.courses_in(8))
    copy, twin = create(client, f"{PREFIX}-1"), create(client, f"{PREFIX}-left")
    named_by_its_job = create(client, "renamed by somebody")
    others = [create(client, "acceptance-of-another-run"), create(client, "BIO101-2026S1_1"), create(client, "MY-1")]
    elsewhere = create(client, f"{PREFIX}-elsewhere", category=7)
    jobs = {f"{PREFIX}-1": job(f"{PREFIX}-1", copy), f"{PREFIX}-2": job(f"{PREFIX}-2", named_by_its_job)}
    source = Course(request_of.source, "BIO101-2026S1", "", 7, True)

    leftovers = find_leftovers(client, 8, PREFIX, before, jobs.values(), [source])
    assert {course.id for course in leftovers.own} == {copy, twin, named_by_its_job}
    assert [course.id for course in leftovers.unknown] == [others[1]]
    found = "; ".join(problems_of(leftovers, [request_of], jobs))
    assert f"left behind: course {twin} ({PREFIX}-left)" in found
    assert f"course {others[1]} (BIO101-2026S1_1) is new" in found
    assert f"course {copy}" not in found

    assert delete_courses(client, leftovers.own) == ()
    assert [client.course(id) for id in (copy, twin, named_by_its_job)] == [None] * 3
    assert all(client.course(id) for id in (old, *others, elsewhere))


def test_course_that_was_made_twice_is_a_problem(request_of: CopyRequest) -> None:
    twins = tuple(Course(id, request_of.shortname, "", 8, True) for id in (50, 51))
    jobs = {request_of.shortname: job(request_of.shortname, 50)}
    found = list(problems_of(cleanup.Leftovers(twins, ()), [request_of], jobs))
    assert found[0] == f"2 courses have the short name {request_of.shortname}"
    assert found[1].startswith("left behind: course 51 ")


def test_course_of_a_job_that_has_not_ended_is_no_problem(request_of: CopyRequest) -> None:
    course = Course(50, request_of.shortname, "", 8, True)
    for state, count in (("checking", 0), ("failed", 1)):
        jobs = {request_of.shortname: job(request_of.shortname, None, state)}
        assert len(list(problems_of(cleanup.Leftovers((course,), ()), [request_of], jobs))) == count


def test_unfinished_copy_is_waited_for_until_it_is_complete(
    moodle: Sandbox, client: MoodleClient, request_of: CopyRequest
) -> None:
    steps = 0

    def next_look(seconds: float) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            make_copy(client, request_of, 8)

    assert wait_for_unfinished(client, [job(request_of.shortname, None, "checking")], next_look) == 0
    # The course is found at the third and the fourth check.
    assert steps == 4


# The proxy


def test_proxy_loses_an_answer_and_moodle_completes_the_copy(
    moodle: Sandbox, client: MoodleClient, request_of: CopyRequest
) -> None:
    with ImpatientProxy(moodle.url, patience=0.3) as proxy:
        through = MoodleClient(proxy.url, moodle.token)
        assert through.course(request_of.source) is not None
        with moodle.held_at("backup"), pytest.raises(Exception, match="504"):
            make_copy(through, request_of, 8)
        assert proxy.lost == {request_of.shortname}
        assert proxy.sent == {request_of.shortname: 1}
        moodle.wait_for_copies()
    (course,) = client.courses_named(request_of.shortname)
    assert course.fullname == request_of.fullname


def test_proxy_answers_502_where_moodle_cannot_be_reached() -> None:
    with ImpatientProxy("http://127.0.0.1:1", patience=5) as proxy:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{proxy.url}/", timeout=10)
        assert refused.value.code == 502


def test_lost_answer_that_was_never_checked_is_a_problem(request_of: CopyRequest) -> None:
    outcome = Outcome(request_of, job=job(request_of.shortname, 50))
    proxy = ImpatientProxy("http://127.0.0.1:1", patience=5)
    proxy.lost.add(request_of.shortname)
    proxy.sent[request_of.shortname] = 2
    assert list(_proxy_problems(outcome, proxy)) == [
        "was sent to Moodle 2 times",
        "succeeded without being checked, although its answer was lost",
    ]


# The browser and the report


def test_browser_sends_what_a_browser_without_scripts_would_send() -> None:
    reader = _Reader()
    reader.feed(
        """<form action="#x"><input name="text" value="a &amp; b"><input type="checkbox" name="on" checked>
        <input type="checkbox" name="off" value="1"><input type="checkbox" name="fixed" value="1" checked disabled>
        <input type="radio" name="one" value="1" checked><input type="radio" name="one" value="2">
        <textarea name="note">line
        </textarea><button name="find" value="1">Find</button><button>Send</button></form>
        <ul class="errors"><li>Too <b>long</b></li></ul><p>Not an error</p>"""
    )
    (form,) = reader.forms
    assert form.choose("one", "2")
    assert not form.choose("one", "3")
    assert form.tick("off", True)
    assert not form.tick("fixed", False)
    sent = dict(form.fields(""))
    assert sent.pop("note").strip() == "line"
    assert sent == {"text": "a & b", "on": "on", "off": "1", "one": "2"}
    assert dict(form.fields("find"))["find"] == "1"
    assert "".join(reader.alerts).split() == ["Too", "long"]


def test_report_counts_and_groups_by_scenario(request_of: CopyRequest) -> None:
    good = Outcome(request_of, job=job(request_of.shortname, 50))
    bad = [Outcome(replace(request_of, shortname=f"bad-{number}"), problems=["has no job"]) for number in range(6)]
    refused = Outcome(request_of, refusal="taken", refusal_expected=True)
    assert table([good, *bad, refused]).splitlines()[2].split() == [
        "a",
        "scenario",
        "7",
        "1",
        "6",
        "1",
        "0",
        "–",
        "0.0",
        "6",
    ]
    assert problems([good, *bad]) == ["a scenario: bad-0, bad-1, bad-2, bad-3 and 2 more: has no job"]
