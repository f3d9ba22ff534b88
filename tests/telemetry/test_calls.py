"""Tests that calls to Moodle are counted by function and outcome, and contain the id of their request or job."""

from typing import Any

import pytest

from dupdash.duplication import moodle_clients, tasks
from dupdash.duplication.moodle_clients import open_client
from dupdash.moodle.errors import MoodleError
from dupdash.telemetry.counters import LEASES_LOST, MOODLE_CALLS, Counters
from dupdash.telemetry.log_context import logging_context
from dupdash.telemetry.models import Counter
from tests.duplication.fixtures import clock, moodle  # noqa: F401 - fixtures
from tests.duplication.support import Moodle, submit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> Counters:
    """The counters of a process that has not counted anything yet."""
    fresh = Counters()
    for module in (moodle_clients, tasks):
        monkeypatch.setattr(module, "COUNTERS", fresh)
    return fresh


def stored(name: str) -> dict[tuple[str, str], int]:
    rows = Counter.objects.filter(name=name).values_list("subject", "outcome", "count")
    return {(subject, outcome): count for subject, outcome, count in rows}


def test_calls_are_counted_by_function_and_outcome(moodle: Moodle, counters: Counters) -> None:  # noqa: F811
    with open_client() as client:
        client.categories()
        client.categories()
        moodle.switches.tokens_revoked = True
        with pytest.raises(MoodleError):
            client.site_info()
    counters.write()
    assert stored(MOODLE_CALLS) == {
        ("core_course_get_categories", "ok"): 2,
        ("core_webservice_get_site_info", "ConfigurationFault"): 1,
    }


def test_worker_stores_the_calls_of_its_job(moodle: Moodle, counters: Counters) -> None:  # noqa: F811
    tasks.run_job(submit().pk)
    assert stored(MOODLE_CALLS)["core_course_duplicate_course", "ok"] == 1
    assert stored(LEASES_LOST) == {}


def test_call_carries_the_id_of_its_request(moodle: Moodle) -> None:  # noqa: F811
    sent: list[Any] = []
    with logging_context(request_id="request-7"), open_client() as client:
        send = client._transport._post

        def post(session: Any, request: Any, timeouts: Any) -> Any:
            sent.append(request.headers["X-Request-ID"])
            return send(session, request, timeouts)

        client._transport._post = post  # type: ignore[method-assign]
        client.categories()
    assert sent == ["request-7"]
