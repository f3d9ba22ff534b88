"""Tests the pages of a rollover from the uploaded file to the results, without scripts."""

import csv
import io
import re

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from dupdash.duplication.models import Batch, DuplicationJob
from dupdash.duplication.states import State
from dupdash.moodle import options
from dupdash.rollover import tasks
from dupdash.rollover.models import Plan, PlanState
from dupdash.rollover.reading.table import read_table
from dupdash.web.models import OptionPreset
from tests.conftest import signed_in
from tests.duplication.support import Moodle, a_job, run_dispatched
from tests.rollover.files import HEADINGS
from tests.rollover.support import a_plan, jobs_of, row, rows, start
from tests.web.support import text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _moodle(moodle: Moodle) -> None: ...


def upload(client: Client, content: str, name: str = "term.csv", **more: str) -> HttpResponse:
    file = SimpleUploadedFile(name, content.encode())
    return client.post(reverse("rollover:upload"), {"file": file, **more}, follow=True)


def page_of(plan: Plan, query: str = "") -> str:
    return reverse("rollover:plan", args=[plan.pk]) + query


START = {"start": "now", "priority": "0", "window_start": "", "window_end": ""}


def test_rollover_from_the_file_to_the_results(as_administrator: Client) -> None:
    content = f"{HEADINGS}\n7,Biology,B-1,8\n7,Wrong,B-2,4711\n4711,Gone,B-3,8\n"
    assert "Checking the rows" in text(upload(as_administrator, content))
    tasks.continue_work()
    plan = Plan.objects.get()
    page = text(as_administrator.get(page_of(plan)))
    assert "3 rows selected, 2 with errors" in page
    assert "Moodle has no category “4711”." in page
    assert "2 selected rows have errors. Correct or exclude them." in page

    corrected = as_administrator.post(
        reverse("rollover:row", args=[plan.pk, 3]),
        {"source": "7", "fullname": "Right", "shortname": "B-2", "category": "8"},
    )
    assert corrected.status_code == 303
    as_administrator.post(reverse("rollover:include", args=[plan.pk]), {"row": "4", "included": "0"})
    page = text(as_administrator.get(page_of(plan)))
    assert "2 rows selected" in page
    assert "Start 2 copies" in page

    as_administrator.post(reverse("rollover:start", args=[plan.pk]), START)
    assert "Checking once more" in text(as_administrator.get(page_of(plan)))
    tasks.continue_work()
    answer = as_administrator.get(page_of(plan), follow=True)
    batch = Batch.objects.get()
    assert answer.redirect_chain == [(reverse("rollover:batch", args=[batch.pk]), 303)]
    assert "0 of 2 ended" in text(answer)
    run_dispatched()
    assert "All copies have ended." in text(as_administrator.get(reverse("rollover:batch", args=[batch.pk])))

    results = as_administrator.get(reverse("rollover:results", args=[batch.pk]))
    lines = list(csv.DictReader(io.StringIO(b"".join(results.streaming_content).decode("utf-8-sig"))))
    assert [(line["row"], line["shortname"], line["state"], line["old id"]) for line in lines] == [
        ("2", "B-1", "Succeeded", "7"),
        ("3", "B-2", "Succeeded", "7"),
    ]
    assert [line["link"].endswith(f"?id={line['new id']}") for line in lines] == [True, True]


def test_preset_gives_the_list_its_values(as_administrator: Client) -> None:
    preset = OptionPreset.objects.create(name="Methods", options={**options.defaults(), "enrolments": options.ALWAYS})
    upload(as_administrator, rows(1), preset=str(preset.pk))
    assert Plan.objects.get().options == preset.options


def test_unreadable_file_is_reported_at_the_field(as_administrator: Client) -> None:
    answer = upload(as_administrator, "")
    assert answer.status_code == 422
    assert "The file is empty" in text(answer)
    assert "No known column was found" in text(upload(as_administrator, "a,b\n1,2\n"))
    assert not Plan.objects.exists()


def test_too_large_file_and_too_many_rows_are_refused(as_administrator: Client, settings: Settings) -> None:
    settings.ROLLOVER_ROWS = 2
    assert "more than 2 rows" in text(upload(as_administrator, rows(3)))
    settings.ROLLOVER_FILE_MIB = 0
    assert "larger than 0 MiB" in text(upload(as_administrator, rows(1)))


def test_columns_without_effect_are_named(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(f"{HEADINGS},summary\n7,Biology,B-1,8,Text\n", administrator)
    assert "dupdash does not know this column and ignores it: summary." in text(as_administrator.get(page_of(plan)))


def test_hostile_names_are_shown_as_text(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(f'{HEADINGS}\n"<script>1</script>","<script>2</script>",X<b>,"<i>"\n', administrator)
    html = as_administrator.get(page_of(plan)).content.decode()
    assert not re.search(r"<script>[12]|<i>", html)
    assert "&lt;script&gt;2" in html


def test_rows_are_filtered_and_paged(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(f"{rows(60)}\n4711,Gone,GONE,8", administrator)
    errors = text(as_administrator.get(page_of(plan)))
    assert "GONE" in errors
    assert "BIO-COPY-1" not in errors
    second = text(as_administrator.get(page_of(plan, "?view=ok&page=2")))
    assert "51 to 60 of 60" in second
    assert "BIO-COPY-55" in second
    assert as_administrator.get(page_of(plan, "?view=nonsense&page=999")).status_code == 200


def test_row_that_still_has_an_error_stays_on_its_page(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(f"{HEADINGS}\n4711,Gone,B-1,8\n", administrator)
    answer = as_administrator.post(
        reverse("rollover:row", args=[plan.pk, 2]),
        {"source": "4712", "fullname": "Gone", "shortname": "B-1", "category": "8"},
    )
    assert answer.status_code == 422
    assert "Moodle has no course “4712”." in text(answer)


def test_correction_removes_the_collision_of_two_rows(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(f"{HEADINGS}\n7,A,B-1,8\n7,B,b-1,8\n", administrator)
    as_administrator.post(
        reverse("rollover:row", args=[plan.pk, 3]),
        {"source": "7", "fullname": "B", "shortname": "B-2", "category": "8"},
    )
    assert [row(plan, number).level for number in (2, 3)] == ["ok", "ok"]


def test_correcting_a_cell_removes_the_problem_of_the_file(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(f"{HEADINGS}\n7,A,B-1,8\n", administrator)
    plan.rows.update(file_problems=[["shortname", "The spreadsheet changed it."]])
    cells = {"source": "7", "fullname": "A", "shortname": "B-1", "category": "8"}
    url = reverse("rollover:row", args=[plan.pk, 2])
    assert as_administrator.post(url, cells).status_code == 422
    assert as_administrator.post(url, cells | {"shortname": "1-2"}).status_code == 303


def test_all_rows_with_errors_are_excluded_at_once(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(f"{rows(2)}\n4711,Gone,GONE,8\n4712,Gone,GONE2,8", administrator)
    as_administrator.post(reverse("rollover:include", args=[plan.pk]), {"rows": "errors", "included": "0"})
    page = text(as_administrator.get(page_of(plan)))
    assert "2 rows selected" in page
    assert "Start 2 copies" in page


@pytest.mark.parametrize(("included", "word"), [("0", "excluded"), ("1", "included")])
def test_message_says_whether_rows_were_excluded_or_included(
    as_administrator: Client, administrator: User, included: str, word: str
) -> None:
    plan = a_plan(f"{HEADINGS}\n4711,Gone,GONE,8\n4712,Gone,GONE2,8", administrator)
    plan.rows.update(included=included == "0")
    url = reverse("rollover:include", args=[plan.pk])
    answer = as_administrator.post(url, {"rows": "errors", "included": included}, follow=True)
    assert f"2 rows were {word}." in text(answer)


def test_exported_list_can_be_read_in_again(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(f'{HEADINGS},summary\n7,"=1+1 ""x""",+B-1,8,-text\n4711,Gone,00123,8,\n', administrator)
    content = b"".join(as_administrator.get(reverse("rollover:export", args=[plan.pk])).streaming_content)
    assert b"'=1+1" in content
    table = read_table(content, rows_most=10)
    assert [one.values for one in table.rows] == [one.values for one in plan.rows.all()]
    assert table.rows[0].others == {"summary": "-text"}


def test_start_with_an_invalid_time_is_reported_at_the_field(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(rows(1), administrator)
    answer = as_administrator.post(
        reverse("rollover:start", args=[plan.pk]), START | {"start": "later", "not_before": "2020-01-01T20:00"}
    )
    assert answer.status_code == 422
    assert "That time has passed" in text(answer)
    answer = as_administrator.post(reverse("rollover:start", args=[plan.pk]), START | {"window_start": "20:00"})
    assert "Enter both times, or neither." in text(answer)


def test_plan_is_discarded_until_it_is_started(as_administrator: Client, administrator: User) -> None:
    plan, started = a_plan(rows(1), administrator), a_plan(rows(2, source=8), administrator)
    Plan.objects.filter(pk=started.pk).update(state=PlanState.STARTING)
    for one in (plan, started):
        as_administrator.post(reverse("rollover:discard", args=[one.pk]))
    assert list(Plan.objects.all()) == [started]


def test_progress_is_polled_until_the_check_is_over(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(rows(3), administrator, checked=False)
    url = reverse("rollover:progress", args=[plan.pk])
    assert "0 of 3 rows" in text(as_administrator.get(url))
    tasks.continue_work()
    assert as_administrator.get(url)["HX-Redirect"] == page_of(plan)


def test_batch_is_paused_resumed_and_its_rest_cancelled(as_administrator: Client, administrator: User) -> None:
    batch = start(a_plan(rows(3), administrator))
    assert batch is not None
    as_administrator.post(reverse("rollover:pause", args=[batch.pk]))
    assert "Paused: no further copy starts." in text(as_administrator.get(reverse("rollover:batch", args=[batch.pk])))
    as_administrator.post(reverse("rollover:resume", args=[batch.pk]))
    batch.refresh_from_db()
    assert batch.paused_at is None
    assert "Cancel 3 copies?" in text(as_administrator.get(reverse("rollover:cancel", args=[batch.pk])))
    as_administrator.post(reverse("rollover:cancel", args=[batch.pk]))
    assert {job.state for job in jobs_of(batch)} == {State.CANCELLED}
    assert jobs_of(batch)[0].events.last().actor == administrator


def test_failed_copies_are_retried_in_their_rows(as_administrator: Client, administrator: User) -> None:
    batch = start(a_plan(rows(3), administrator))
    failed = jobs_of(batch)[1]
    DuplicationJob.objects.filter(pk=failed.pk).update(state=State.FAILED, failure_code="shortnametaken")
    as_administrator.post(reverse("rollover:retry", args=[failed.batch_id]))
    page = text(as_administrator.get(reverse("rollover:batch", args=[failed.batch_id])))
    assert "1 failed copy is being tried again." in page
    retried = DuplicationJob.objects.get(retry_of=failed)
    assert (retried.batch_id, retried.batch_row, retried.state) == (failed.batch_id, 3, State.QUEUED)
    # The job that was retried is no longer counted.
    assert "0 of 3 ended" in page


def test_counts_by_state_are_filters(as_administrator: Client, administrator: User) -> None:
    batch = start(a_plan(rows(2), administrator))
    assert batch is not None
    DuplicationJob.objects.filter(batch=batch, batch_row=3).update(state=State.FAILED)
    page = text(as_administrator.get(reverse("rollover:batch", args=[batch.pk]) + "?view=failed"))
    assert "BIO-COPY-2" in page
    assert "BIO-COPY-1" not in page


def test_page_polls_its_unfinished_rows_only(as_administrator: Client, administrator: User) -> None:
    batch = start(a_plan(rows(40), administrator))
    assert batch is not None
    html = as_administrator.get(reverse("rollover:batch", args=[batch.pk])).content.decode()
    (url,) = re.findall(r'id="live-rows" hx-get="([^"]+)"', html)
    assert url.count("job=") == 25


def test_unchanged_summary_is_not_sent_again(as_administrator: Client, administrator: User) -> None:
    batch = start(a_plan(rows(1), administrator))
    assert batch is not None
    html = as_administrator.get(reverse("rollover:batch", args=[batch.pk])).content.decode()
    (url,) = re.findall(r'id="batch-live"[^>]* hx-get="([^"]+)"', html)
    assert as_administrator.get(url.replace("&amp;", "&")).status_code == 204
    DuplicationJob.objects.filter(batch=batch).update(state=State.SUCCEEDED)
    assert as_administrator.get(url.replace("&amp;", "&")).status_code == 286


def test_batch_of_a_colleague_is_not_found(faculty: User, colleague: User, as_help_desk: Client) -> None:
    batch = Batch.objects.create(label="Mine", requester=faculty)
    a_job(requester=faculty, batch=batch)
    url = reverse("rollover:batch", args=[batch.pk])
    assert signed_in(colleague).get(url).status_code == 404
    assert signed_in(faculty).get(url).status_code == 200
    assert as_help_desk.get(url).status_code == 200
    assert as_help_desk.post(reverse("rollover:pause", args=[batch.pk])).status_code == 403


def test_overview_lists_plans_and_batches(as_administrator: Client, as_help_desk: Client, administrator: User) -> None:
    start(a_plan(rows(2), administrator))
    a_plan(f"{HEADINGS}\n4711,Gone,GONE,8\n", administrator)
    page = text(as_administrator.get(reverse("rollover:list")))
    assert "1 with errors" in page
    assert "0 of 2 ended" in page
    assert "Not started" not in text(as_help_desk.get(reverse("rollover:list")))


HTMX = {"HX-Request": "true"}


def test_row_is_corrected_in_its_place(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(f"{rows(1)}\n4711,Gone,B-1,8", administrator)
    url = reverse("rollover:row", args=[plan.pk, 3])
    assert text(as_administrator.get(url, headers=HTMX)).startswith('<tr id="row-3">')
    cells = {"source": "4712", "fullname": "Gone", "shortname": "B-1", "category": "8"}
    still_wrong = as_administrator.post(url, cells, headers=HTMX)
    assert still_wrong.status_code == 422
    assert "Moodle has no course “4712”." in text(still_wrong)
    corrected = as_administrator.post(url, cells | {"source": "7"}, headers=HTMX)
    assert corrected["HX-Retarget"] == "#plan-rows"
    assert "Start 2 copies" in text(corrected)
    assert "disabled" not in text(corrected)


def test_row_is_excluded_in_its_place(as_administrator: Client, administrator: User) -> None:
    plan = a_plan(f"{rows(1)}\n4711,Gone,B-1,8", administrator)
    answer = as_administrator.post(
        reverse("rollover:include", args=[plan.pk]),
        {"row": "3", "included": "0", "back": page_of(plan, "?view=excluded")},
        headers=HTMX,
    )
    assert "Start 1 copy" in text(answer)
    assert "Gone" in text(answer)


def test_job_page_links_to_its_batch(as_administrator: Client, administrator: User) -> None:
    batch = start(a_plan(rows(1), administrator))
    (job,) = jobs_of(batch)
    html = as_administrator.get(reverse("jobs:job", args=[job.pk])).content.decode()
    assert reverse("rollover:batch", args=[job.batch_id]) in html
