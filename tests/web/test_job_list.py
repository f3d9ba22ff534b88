"""Tests the list of copies: search, filters, order, pages, and permissions."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from dupdash.duplication import approval_actions
from dupdash.duplication.engine.job_endings import fail
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.request import DuplicationRequest
from dupdash.duplication.search_text import fold_text
from dupdash.duplication.states import State
from dupdash.moodle import options
from dupdash.web.job_list import filters, orders
from dupdash.web.job_list.orders import DEFAULT, ORDERS, Found
from tests.conftest import make_person, signed_in
from tests.web.support import a_job, text

pytestmark = pytest.mark.django_db


def found(client: Client, query: str = "") -> set[str]:
    answer = client.get(f"/jobs/?{query}")
    assert answer.status_code == 200
    return {row.shortname for row in answer.context["rows"]}


def searched(client: Client, words: str) -> set[str]:
    answer = client.get("/jobs/", {"q": words})
    return {row.shortname for row in answer.context["rows"]}


def test_faculty_see_only_their_own_copies(
    as_faculty: Client, as_administrator: Client, as_help_desk: Client, faculty: User, colleague: User
) -> None:
    a_job(shortname="MINE", requester=faculty)
    a_job(shortname="THEIRS", requester=colleague)
    assert found(as_faculty) == {"MINE"}
    # Counts, names and choices of filters also come only from the person's own copies.
    page = text(as_faculty.get("/jobs/"))
    assert "1</span> copy" in page
    assert "Nadia" not in page
    assert searched(as_faculty, "THEIRS") == set()
    assert found(as_faculty, f"person={colleague.pk}") == {"MINE"}
    for client in (as_administrator, as_help_desk):
        assert found(client) == {"MINE", "THEIRS"}
        assert found(client, f"person={colleague.pk}") == {"THEIRS"}


def test_search_of_the_overview_opens_the_only_match(as_faculty: Client, as_help_desk: Client, colleague: User) -> None:
    only = a_job(shortname="ONLY-1", requester=colleague)
    for shortname in ("PAIR-1", "PAIR-2"):
        a_job(shortname=shortname)
    assert as_help_desk.get("/jobs/find/", {"q": "only-1"})["Location"] == f"/jobs/{only.pk}/"
    assert as_faculty.get("/jobs/find/", {"q": "only-1"})["Location"] == "/jobs/?q=only-1"
    for words, expected in (("pair", "/jobs/?q=pair"), ("nothing", "/jobs/?q=nothing"), ("", "/jobs/")):
        assert as_help_desk.get("/jobs/find/", {"q": words})["Location"] == expected


def test_people_without_a_role_are_refused(as_outsider: Client, client: Client) -> None:
    for address in ("/jobs/", "/jobs/find/", "/jobs/copies.csv", "/jobs/bulk/", "/jobs/bulk/result/"):
        assert as_outsider.get(address).status_code == 403
        assert client.get(address).status_code == 302


@pytest.mark.parametrize(
    "words",
    [
        "NEW",
        "copy called new",
        "src",
        "Ökonomie",
        "öKONOMIE",
        "okonomie",
        "müller",
        "MÜLLER new",
        "jurgen@example.edu",
        "4711",
        "20815",
        '"called NEW"',
        "nopermissions",
        "not currently have",
        "Moodle account may not copy",
    ],
)
def test_search_finds_a_copy_by_names_ids_person_and_error(as_administrator: Client, words: str) -> None:
    person = make_person("jurgen", first_name="Jürgen", last_name="Müller")
    job = a_job(
        State.FAILED,
        "NEW-1",
        requester=person,
        source_fullname="ÖKONOMIE für alle",
        course_id=20815,
        failure_code="nopermissions",
        failure_message="You do not currently have permissions",
    )
    a_job(State.FAILED, "OTHER", source_id=1, source_shortname="X", fullname="Another", failure_code="unreachable")
    assert searched(as_administrator, words if words != "not currently have" else "currently have") == {"NEW-1"}
    assert searched(as_administrator, job.pk) == {"NEW-1"}
    assert searched(as_administrator, job.pk[:8].upper()) == {"NEW-1"}


@pytest.mark.parametrize("words", ["NEW OTHER", "_____", "\\\\", "471", "called NEW-2", "ew"])
def test_search_finds_nothing_if_one_word_occurs_nowhere(as_administrator: Client, words: str) -> None:
    a_job(State.SUCCEEDED, "NEW-1")
    a_job(State.SUCCEEDED, "OTHER")
    assert searched(as_administrator, words) == set()


def test_folding_ignores_case_accents_and_composition() -> None:
    assert fold_text("Mu\u0308ller") == fold_text("MÜLLER") == "muller"
    assert fold_text("ΨΥΧΟΛΟΓΊΑ") == fold_text("ψυχολογία")
    assert fold_text("Straße") == fold_text("STRASSE")


def test_search_finds_texts_that_changed_later(as_administrator: Client, administrator: User) -> None:
    job = a_job(State.AWAITING_APPROVAL, "BEFORE", queued_at=None)
    wanted = DuplicationRequest(
        source_id=job.source_id,
        source_shortname=job.source_shortname,
        source_fullname=job.source_fullname,
        fullname="Nächstes Jahr",
        shortname="AFTER",
        category_id=2,
        category_name="",
        visible=True,
        options=options.defaults(),
        origin=job.origin,  # type: ignore[arg-type]
    )
    approval_actions.edit_and_approve(job, wanted, actor=administrator)
    assert searched(as_administrator, "nachstes AFTER") == {"AFTER"}
    assert searched(as_administrator, "BEFORE") == set()
    job.refresh_from_db()
    DuplicationJob.objects.filter(pk=job.pk).update(state=State.RUNNING)
    job.refresh_from_db()
    fail(job, "ddltablenotexist", "Die Tabelle „Ä“ gibt es nicht")
    assert searched(as_administrator, "tabelle ä") == {"AFTER"}


def test_each_filter_narrows_the_list(as_administrator: Client, faculty: User) -> None:
    without = options.effective({"blocks": False})
    a_job(State.SUCCEEDED, "GOOD", requester=faculty, category_name="Science")
    a_job(State.FAILED, "TAKEN", failure_code="shortnametaken", category_id=9, options=without)
    a_job(State.FAILED, "PART", failure_code="partial_course", course_id=77, proof="seen", source_id=12)
    a_job(State.FAILED, "ODD", failure_code="", source_id=12, source_shortname="CHEM12")
    a_job(State.QUEUED, "WAITS", source_id=99, source_shortname="Číslo 12")
    a_job(State.RUNNING, "RUNS")
    a_job(State.CHECKING, "LOOKED-UP")
    everything = {"GOOD", "TAKEN", "PART", "ODD", "WAITS", "RUNS", "LOOKED-UP"}
    for query, expected in {
        "": everything,
        "state=failed": {"TAKEN", "PART", "ODD"},
        "state=unfinished": {"WAITS", "RUNS", "LOOKED-UP"},
        "state=busy": {"RUNS", "LOOKED-UP"},
        "state=partial": {"PART"},
        f"person={faculty.pk}": {"GOOD"},
        "person=none": everything - {"GOOD"},
        "category=9": {"TAKEN"},
        "cause=shortnametaken": {"TAKEN"},
        "cause=-": {"ODD"},
        "option=-blocks": {"TAKEN"},
        "option=blocks": everything - {"TAKEN"},
        # The id of a source finds copies of this source. Other numbers are searched in names.
        "source=12": {"PART", "ODD"},
        "source=chem": {"ODD"},
        "source=cislo": {"WAITS"},
        "state=failed&source=12&q=part": {"PART"},
    }.items():
        assert found(as_administrator, query) == expected, query


def test_days_begin_at_midnight_in_the_time_zone_of_the_site(as_administrator: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    # Midnight in Berlin is 22:00 UTC in summer.
    a_job(State.SUCCEEDED, "MONDAY", created_at=datetime(2026, 6, 1, 21, 59, 59, tzinfo=UTC))
    a_job(State.SUCCEEDED, "TUESDAY", created_at=datetime(2026, 6, 1, 22, 0, tzinfo=UTC))
    a_job(State.SUCCEEDED, "STILL", created_at=datetime(2026, 6, 2, 21, 59, 59, tzinfo=UTC))
    assert found(as_administrator, "since=2026-06-02") == {"TUESDAY", "STILL"}
    assert found(as_administrator, "until=2026-06-01") == {"MONDAY"}
    assert found(as_administrator, "since=2026-06-02&until=2026-06-02") == {"TUESDAY", "STILL"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("since=tomorrow", "Enter a day as year-month-day"),
        ("until=9999-12-31", "Enter a day up to 2100."),
        ("since=2026-06-02&until=2026-06-01", "This day is before “Requested from”."),
        ("q=%00", "Null characters are not allowed."),
        ("state=gone", "No copy has this value."),
        ("category=123456", "No copy has this value."),
        ("person=0", "No copy has this value."),
        (f"q={'x' * 201}", "Use at most 200 characters."),
    ],
)
def test_filter_with_an_error_is_named_and_nothing_is_shown(as_administrator: Client, query: str, words: str) -> None:
    a_job(shortname="ONE")
    page = text(as_administrator.get(f"/jobs/?{query}"))
    assert "Nothing was searched." in page
    assert words in page
    assert "SRC → ONE" not in page


@pytest.mark.parametrize("name", [name for name in ORDERS if name != DEFAULT])
def test_paging_forward_and_back_visits_every_copy_once(as_administrator: Client, name: str) -> None:
    chance = random.Random(name)
    moment = timezone.now().replace(microsecond=123456)
    people = [make_person(f"p{n}", first_name=first) for n, first in enumerate(("", "zoe", "Ann"))]
    for number in range(62):
        # Many jobs have equal values, so that the id decides their order. Some have no value.
        begun = moment - timedelta(minutes=chance.randrange(4))
        ended = chance.choice((None, begun + timedelta(seconds=chance.randrange(3), microseconds=500)))
        a_job(
            State.SUCCEEDED,
            f"{chance.choice('aBä_')}{number}" if number % 7 else "same_name",
            created_at=begun,
            started_at=chance.choice((begun, begun, None)),
            finished_at=ended,
            source_shortname=chance.choice(("a_b", "B", "ä")),
            requester=chance.choice((*people, None)),
        )
    pages, url = [], f"/jobs/?sort={name}"
    while url and len(pages) < 4:
        answer = as_administrator.get(url)
        pages.append([row.id for row in answer.context["rows"]])
        url, last = answer.context["next_url"], answer
    assert [len(page) for page in pages] == [25, 25, 12]
    listed = [job_id for page in pages for job_id in page]
    assert listed == [job.pk for _, job in ORDERS[name].take(Found.all_of(DuplicationJob.objects.all()), 100)]
    middle = as_administrator.get(last.context["previous_url"])
    assert [row.id for row in middle.context["rows"]] == pages[1]
    first = as_administrator.get(middle.context["previous_url"])
    assert [row.id for row in first.context["rows"]] == pages[0]
    assert first.context["previous_url"] == ""


@pytest.mark.parametrize("query", ["q=wanted", "q=wanted&state=attention"])
def test_pages_of_many_matches_equal_those_of_few(
    administrator: User, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    chance = random.Random(query)
    moment = timezone.now()
    for number in range(20):
        begun = moment - timedelta(minutes=chance.randrange(9))
        state = chance.choice((State.UNRESOLVED, State.AWAITING_APPROVAL, State.FAILED))
        job = a_job(
            state,
            f"{'WANTED' if number % 3 else 'OTHER'}{number}",
            created_at=begun,
            started_at=begun,
            finished_at=begun + timedelta(seconds=chance.randrange(3)) if state == State.FAILED else None,
        )
        left = chance.choice(({"course_id": number, "proof": "seen"}, {"likely_course_id": number}, {}, {}))
        DuplicationJob.objects.filter(pk=job.pk).update(**left)

    found = filters.ListForm(QueryDict(query), administrator).found()
    assert len(found.ids(100)) == 13

    def pages(order: orders.Order, size: orders.Size, way: str, key: str = "") -> list[tuple[str, tuple[str, ...]]]:
        """Return the key of each page, and its jobs, from the page with this key on."""
        listed = []
        while key or not listed:
            page = orders.page_of(replace(found, size=size), order, {way: key}, 5)
            listed.append((key, tuple(job.pk for job in page.jobs)))
            key = getattr(page, way)
        return listed

    for name, order in ORDERS.items():
        forward = pages(order, orders.Size.SMALL, "next")
        assert [len(jobs) for _, jobs in forward] == [5, 5, 3]
        last = orders.page_of(found, order, {"next": forward[-1][0]}, 5).previous
        backward = pages(order, orders.Size.SMALL, "previous", last)
        assert [jobs for _, jobs in backward] == [jobs for _, jobs in forward[1::-1]]
        for size, near in product((orders.Size.MEDIUM, orders.Size.LARGE), ((1, 2), (5, 11), (1000,))):
            monkeypatch.setattr(orders, "NEAR", {size: near})
            assert pages(order, size, "next") == forward, (name, near)
            assert pages(order, size, "previous", last) == backward, (name, near)


def test_deleted_jobs_are_not_loaded() -> None:
    kept, deleted = a_job(State.FAILED, "KEPT"), a_job(State.FAILED, "DELETED")
    deleted.delete()
    assert orders.load_jobs([deleted.pk, kept.pk]) == [kept]


def test_each_column_sorts_by_the_value_it_shows(as_administrator: Client) -> None:
    moment = timezone.now()
    zoe = make_person("a1", first_name="zoe")
    ann = make_person("z1", first_name="Ann")
    ben = make_person("ben")

    def took(seconds: float | None) -> dict[str, Any]:
        ended = moment + timedelta(seconds=seconds) if seconds is not None else None
        return {"started_at": moment, "finished_at": ended}

    a_job(State.SUCCEEDED, "b", requester=zoe, **took(90))
    a_job(State.SUCCEEDED, "A", requester=ann, **took(9.5))
    a_job(State.RUNNING, "c", requester=ben, **took(None))

    def order(sort: str) -> list[str]:
        answer = as_administrator.get(f"/jobs/?sort={sort}")
        return [row.shortname for row in answer.context["rows"]]

    assert order("copy") == ["A", "b", "c"]
    assert order("person") == ["A", "c", "b"]
    assert order("-took") == ["b", "A", "c"]
    # Unfinished jobs count as the last to finish.
    assert order("finished") == ["A", "b", "c"]
    page = text(as_administrator.get("/jobs/?sort=-took"))
    assert '<th scope="col" class="took-cell" aria-sort="descending">' in page
    assert "1 min 30 s" in page


def test_new_copies_do_not_shift_the_next_page(as_administrator: Client) -> None:
    moment = timezone.now()
    for number in range(30):
        a_job(State.SUCCEEDED, f"N{number:02}", created_at=moment - timedelta(minutes=number))
    following = as_administrator.get("/jobs/").context["next_url"]
    for number in range(5):
        a_job(State.SUCCEEDED, f"LATER{number}", created_at=moment + timedelta(minutes=1))
    answer = as_administrator.get(following)
    assert [row.shortname for row in answer.context["rows"]] == [f"N{n}" for n in range(25, 30)]


def test_page_that_became_empty_leads_to_the_first_page(as_administrator: Client) -> None:
    moment = timezone.now()
    for number in range(26):
        a_job(State.FAILED, f"N{number:02}", created_at=moment - timedelta(minutes=number))
    following = as_administrator.get("/jobs/?state=failed").context["next_url"]
    DuplicationJob.objects.filter(shortname="N25").update(state=State.CANCELLED)
    answer = as_administrator.get(following)
    assert "No copies match" not in text(answer)
    assert [row.shortname for row in answer.context["rows"]] == [f"N{n:02}" for n in range(25)]


@pytest.mark.parametrize("sort", ["active", "-created", "took", "copy"])
@pytest.mark.parametrize(
    "key",
    [
        "nonsense",
        "_",
        "2026-01-01_a",
        "0.99999999999999999999_a",
        "0.%00_%00",
        "0.1e400_x",
        "7.1_a",
        "0._",
        "0.0001-01-01T00:00:00%2B14:00_x",
    ],
)
def test_unreadable_key_leads_to_the_first_page(as_administrator: Client, sort: str, key: str) -> None:
    a_job(State.SUCCEEDED, "ONE")
    for way in ("next", "previous"):
        assert as_administrator.get(f"/jobs/?sort={sort}&{way}={key}").status_code == 200


def test_key_of_no_part_leads_to_the_first_page(as_administrator: Client) -> None:
    a_job(State.SUCCEEDED, "ONE")
    for number in (-1, 3):
        answer = as_administrator.get(f"/jobs/?next={number}.2100-01-01T00:00:00%2B00:00_x")
        assert found(as_administrator) == {"ONE"}
        assert answer.context["previous_url"] == ""


def test_links_keep_the_filters(as_administrator: Client) -> None:
    moment = timezone.now()
    for number in range(30):
        a_job(State.FAILED, f"N{number}", created_at=moment - timedelta(minutes=number))
        a_job(State.SUCCEEDED, f"S{number}", created_at=moment - timedelta(minutes=number))
    answer = as_administrator.get("/jobs/?state=failed&since=&q=&nonsense=1")
    page = text(answer)
    assert "30</span> copies match" in page
    assert answer.context["next_url"].startswith("/jobs/?state=failed&next=")
    assert 'href="/jobs/?state=failed&amp;sort=copy"' in page
    assert 'href="/jobs/copies.csv?state=failed"' in page
    assert '<input type="hidden" name="state" value="failed">' in page


def test_htmx_request_gets_the_results_alone(as_administrator: Client) -> None:
    a_job(State.FAILED, "ONE")
    headers = {"HX-Request": "true", "HX-Trigger": "list-filters"}
    answer = as_administrator.get("/jobs/?q=one&state=&person=&sort=active", headers=headers)
    page = text(answer)
    assert page.startswith('<div class="stack tight" id="list-results">')
    assert "1 copy matches." in page
    # The URL contains only the parameters that differ from the defaults.
    assert answer["HX-Push-Url"] == "/jobs/?q=one"
    assert answer["Cache-Control"] == "no-store"
    assert 'id="filter-sort"' not in page
    # After a click on a column heading, the filter form shows the new order.
    page = text(as_administrator.get("/jobs/?sort=copy", headers={**headers, "HX-Trigger": "sort-copy"}))
    assert 'hx-swap-oob="true" id="filter-sort"' in page
    assert '<option value="copy" selected>' in page


def test_hostile_names_are_escaped(as_administrator: Client) -> None:
    hostile = "<img src=x onerror=alert(1)>\"'&{{ 7 }}"
    person = make_person("x", first_name="<b>Bob", last_name="\"'")
    a_job(
        State.FAILED, hostile, fullname=hostile, source_shortname=hostile, category_name=hostile, requester=person,
        failure_code=hostile[:100],
    )  # fmt: skip
    for query in ({}, {"q": hostile[:30]}, {"source": hostile}):
        page = as_administrator.get("/jobs/", query).content.decode()
        assert "<img" not in page
        assert "<b>Bob" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_checkboxes_are_offered_only_with_bulk_actions(
    as_help_desk: Client, as_faculty: Client, faculty: User, settings: Any
) -> None:
    job = a_job(State.FAILED, requester=faculty)
    tick = f'name="job" value="{job.pk}"'
    assert tick in text(as_faculty.get("/jobs/"))
    assert tick not in text(as_help_desk.get("/jobs/"))
    settings.HELP_DESK_MAY_RETRY = True
    page = text(as_help_desk.get("/jobs/"))
    assert tick in page
    assert 'value="retry"' in page
    assert 'value="cancel"' not in page


def test_empty_result_is_stated_and_offers_to_clear_filters(as_faculty: Client, faculty: User) -> None:
    assert "No copies yet" in text(as_faculty.get("/jobs/"))
    a_job(requester=faculty)
    page = text(as_faculty.get("/jobs/?q=nowhere"))
    assert "No copies match" in page
    assert "Clear filters" in page


def test_list_is_current_in_the_navigation(as_faculty: Client) -> None:
    assert '<a href="/jobs/" aria-current="page">Copies</a>' in text(as_faculty.get("/jobs/"))


def test_number_of_queries_does_not_grow_with_jobs(
    administrator: User, faculty: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(40):
        a_job(State.SUCCEEDED, f"N{number}", requester=faculty)
    client = signed_in(administrator)
    client.get("/jobs/")
    with django_assert_max_num_queries(21):
        client.get("/jobs/?q=n1")


@pytest.mark.parametrize(("counted", "total"), [(29, "more than 29"), (100, "30")])
@pytest.mark.parametrize("query", ["q=called", "option=blocks", "state=failed&sort=took", "source=src&sort=copy"])
def test_large_results_show_the_same_copies_as_small_ones(
    as_administrator: Client, monkeypatch: pytest.MonkeyPatch, query: str, counted: int, total: str
) -> None:
    for number in range(30):
        a_job(State.FAILED, f"N{number}", created_at=timezone.now() - timedelta(minutes=number))
    few = as_administrator.get(f"/jobs/?{query}")
    monkeypatch.setattr(filters, "COUNTED_MOST", counted)
    monkeypatch.setattr(filters, "FEW", 0)
    many = as_administrator.get(f"/jobs/?{query}")
    assert [row.id for row in many.context["rows"]] == [row.id for row in few.context["rows"]]
    assert few.context["total"] == "30"
    assert many.context["total"] == total


def test_state_filter_needing_attention_lists_what_the_overview_lists(
    as_administrator: Client, as_help_desk: Client
) -> None:
    now = timezone.now()
    a_job(State.UNRESOLVED, "LOST")
    a_job(State.AWAITING_APPROVAL, "ASKS")
    a_job(State.FAILED, "FAILED", finished_at=now)
    a_job(State.FAILED, "OLD", finished_at=now - timedelta(days=8))
    a_job(State.FAILED, "PARTIAL", finished_at=now - timedelta(days=8), course_id=7, proof="seen")
    retried = a_job(State.FAILED, "RETRIED", finished_at=now)
    a_job(State.SUCCEEDED, "AGAIN", retry_of=retried)
    assert found(as_administrator, "state=attention") == {"LOST", "ASKS", "FAILED", "PARTIAL"}
    assert found(as_help_desk, "state=attention") == {"LOST", "FAILED", "PARTIAL"}
    section = as_administrator.get("/").context["sections"][0]
    assert {row.shortname for row in section.rows} == {"LOST", "ASKS", "FAILED", "PARTIAL"}
    assert section.url == "/jobs/?state=attention"
