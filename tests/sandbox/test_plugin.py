"""Tests the sandbox with ``--plugin``: the functions of the Moodle plugin, its queue and its cron."""

from __future__ import annotations

from typing import Any

import pytest

from dupdash.sandbox.plugin import PluginDuplications

from .conftest import Serve
from .support import NEW, SITE_INFO, START, STATUS, Caller, await_until, start, start_params, status

STATUSES, RESULT, CANCEL = (f"{START}_{name}" for name in ("get_statuses", "get_result", "cancel"))
SOURCE = "BIO101-2026S1"


@pytest.fixture
def site(serve: Serve) -> Caller:
    return serve(plugin=True)


def queue(site: Caller) -> PluginDuplications:
    duplications = site.sandbox.moodle.duplications
    assert isinstance(duplications, PluginDuplications)
    return duplications


def ended(moodle: Caller, duplicateid: str) -> dict[str, Any]:
    await_until(lambda: status(moodle, duplicateid)[1] >= 900, "the end")
    result = moodle.call(RESULT, duplicateid=duplicateid)
    assert isinstance(result, dict)
    return result


def test_plugin_functions_are_offered_only_on_request(moodle: Caller, site: Caller, serve: Serve) -> None:
    every = {START, STATUS, STATUSES, RESULT, CANCEL}
    for caller, offered in ((moodle, set()), (serve(proposed=True), {START, STATUS}), (site, every)):
        names = {function["name"] for function in caller.call(SITE_INFO)["functions"]}
        assert names & every == offered


def test_copy_is_hidden_under_its_own_names_until_it_is_complete(site: Caller) -> None:
    with site.sandbox.held_at("content"):
        duplicateid = start(site)
        site.sandbox.wait_for_step("content")
        assert site.sandbox.course(NEW).visible == 0
    assert ended(site, duplicateid)["courseid"] == site.sandbox.course(NEW).id
    assert site.sandbox.course(NEW).visible == 1


def test_progress_of_the_whole_never_goes_back(serve: Serve) -> None:
    site = serve(plugin=True, speed=4)
    duplicateid = start(site)
    seen: list[float] = []

    def done() -> bool:
        _, code, progress = status(site, duplicateid)
        seen.append(progress)
        return code == 1000

    await_until(done, "the copy to finish")
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert any(0 < figure < 0.4 for figure in seen)
    assert any(0.6 < figure < 1 for figure in seen)


def test_dates_and_idnumber_are_set_and_activities_move(site: Caller) -> None:
    source = site.sandbox.course(SOURCE)
    week = 7 * 86_400
    ended(site, start(site, startdate=source.startdate + 52 * week, idnumber="B-27"))
    copy = site.sandbox.course(NEW)
    assert (copy.startdate - source.startdate, copy.enddate - source.enddate) == (52 * week, 52 * week)
    assert copy.idnumber == "B-27"
    before = [moment for module in source.modules for _, moment in module.dates]
    assert before
    assert [moment - 52 * week for module in copy.modules for _, moment in module.dates] == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"startdate": 0}, "invalidparameter"),
        ({"startdate": 2 * 10**9, "enddate": 10**9}, "enddatebeforestartdate"),
        ({"options": [{"enrolments": 3}]}, "invalidextparam"),
        ({"options": [{"users": 2}]}, "invalidextparam"),
        ({"idempotencykey": "x" * 256}, "invalidparameter"),
    ],
    ids=str,
)
def test_bad_parameters_are_refused(site: Caller, changes: dict[str, Any], code: str) -> None:
    assert site.call(START, **start_params(site, **changes))["errorcode"] == code


def test_same_key_answers_with_the_same_id_and_other_arguments_are_refused(site: Caller) -> None:
    first = start(site, idempotencykey="k")
    assert start(site, idempotencykey="k") == first
    assert ended(site, first)["state"] == "succeeded"
    assert start(site, idempotencykey="k") == first
    other = start_params(site, idempotencykey="k", fullname="Other")
    assert site.call(START, **other)["errorcode"] == "invalidparameter"


def test_stopped_cron_keeps_copies_waiting_and_is_reported(site: Caller) -> None:
    queue(site).cron_runs = False
    queue(site).tasks_of_others = 3
    first, second = start(site), start(site, shortname="NEW-2")
    answer = site.call(STATUSES, duplicateids=[second, "unknown", first])
    assert [(one["status"], one["ahead"]) for one in answer["statuses"]] == [(700, 4), (700, 3)]
    assert answer["cron"]["lastrun"] <= answer["cron"]["now"]
    assert [(warning["itemid"], warning["warningcode"]) for warning in answer["warnings"]] == [(1, "invalidrecord")]
    queue(site).cron_runs = True
    assert {ended(site, one)["state"] for one in (first, second)} == {"succeeded"}


def test_failure_has_a_reason_and_leaves_nothing(site: Caller) -> None:
    site.sandbox.faults.set("exception_in_restore", errorcode="locktimeout", count=1)
    result = ended(site, start(site))
    assert (result["state"], result["failurecode"], result["partialcourseid"]) == ("failed", "locktimeout", None)
    assert site.made() == []


@pytest.mark.parametrize("fault", ["killed_in_backup", "killed_in_restore"])
def test_killed_process_is_noticed_by_cron_and_leaves_nothing(site: Caller, fault: str) -> None:
    site.sandbox.faults.set(fault, count=1)
    result = ended(site, start(site))
    assert (result["state"], result["failurecode"]) == ("failed", "processdied")
    assert site.made() == []


def test_waiting_copy_is_cancelled_at_once(site: Caller) -> None:
    queue(site).cron_runs = False
    duplicateid = start(site)
    for _ in range(2):
        assert site.call(CANCEL, duplicateid=duplicateid) == {"duplicateid": duplicateid, "state": "cancelled"}
    assert ended(site, duplicateid)["failurecode"] == "cancelled"


def test_running_copy_is_cancelled_and_removed(site: Caller) -> None:
    with site.sandbox.held_at("hidden"):
        duplicateid = start(site)
        site.sandbox.wait_for_step("hidden")
        assert site.call(CANCEL, duplicateid=duplicateid)["state"] == "running"
    assert ended(site, duplicateid)["state"] == "cancelled"
    assert site.made() == []


def test_report_names_old_and_new_ids_and_what_is_missing(site: Caller) -> None:
    result = ended(site, start(site, options=[{"users": 0}]))
    report, source, copy = result["report"], site.sandbox.course(SOURCE), site.sandbox.course(NEW)
    assert (report["sourcecourseid"], report["courseid"]) == (source.id, copy.id)
    assert [one["oldcmid"] for one in report["activities"]] == [module.id for module in source.modules]
    assert [one["newcmid"] for one in report["activities"]] == [module.id for module in copy.modules]
    missing = {(one["kind"], one["name"]): (one["source"], one["copy"]) for one in report["missing"]}
    assert missing["enrolledusers", ""] == (len(source.enrolled), 0)
    assert missing["enrolmentmethods", "self"] == (1, 0)


def test_report_names_roles_that_were_lost(site: Caller) -> None:
    site.sandbox.moodle.switches.missing_capabilities = frozenset({"moodle/role:assign"})
    report = ended(site, start(site, options=[{"users": 1}, {"role_assignments": 1}]))["report"]
    source = site.sandbox.course(SOURCE)
    lost = {one["name"]: (one["source"], one["copy"]) for one in report["missing"] if one["kind"] == "roles"}
    assert lost == {"editingteacher": (len(source.teachers), 0), "student": (len(source.students), 0)}


def test_lost_answer_is_repeated_with_the_key(site: Caller) -> None:
    site.sandbox.faults.set("gateway_timeout", count=1)
    assert site.post(START, start_params(site, idempotencykey="k")).status_code == 504
    assert ended(site, start(site, idempotencykey="k"))["state"] == "succeeded"
    assert site.sandbox.calls.created == {NEW.casefold(): 1}
