"""Tests that log lines name the request and the job, and contain no secrets and no line breaks from input."""

import io
import json
import logging
import sys
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from dupdash.telemetry.log_context import ContextFilter, logging_context
from dupdash.telemetry.log_format import JsonLineFormatter, OneLineFormatter
from dupdash.telemetry.sentry import without_secrets


def written(formatter: logging.Formatter, message: str, *args: object, **extra: object) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.addFilter(ContextFilter())
    logger = logging.getLogger("dupdash.test_logs")
    logger.addHandler(handler)
    # pytest stores records that propagate, and cannot report a text with a lone surrogate.
    logger.propagate = False
    try:
        logger.warning(message, *args, extra=extra)
    finally:
        logger.propagate = True
        logger.removeHandler(handler)
    return stream.getvalue()


def text_formatter() -> OneLineFormatter:
    line: dict[str, Any] = settings.LOGGING["formatters"]["text"]
    return OneLineFormatter(line["format"], style=line["style"])


def test_json_line_names_request_and_job() -> None:
    with logging_context(request_id="r1", job_id="j1"):
        line = json.loads(written(JsonLineFormatter(), "job %s moved", "j1"))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "logger": "dupdash.test_logs",
        "message": "job j1 moved",
        "request_id": "r1",
        "job_id": "j1",
    }


def test_json_line_leaves_out_unknown_ids() -> None:
    assert json.loads(written(JsonLineFormatter(), "started")).keys() == {"time", "level", "logger", "message"}


def test_id_of_the_record_replaces_that_of_the_context() -> None:
    with logging_context(job_id="j1"):
        assert json.loads(written(JsonLineFormatter(), "moved", job_id="j2"))["job_id"] == "j2"


@pytest.mark.parametrize("formatter", [JsonLineFormatter(), text_formatter()], ids=["json", "text"])
@pytest.mark.parametrize(
    "name", ["a\nb", "a\r\nERROR forged", "a\u2028b", "a\x1b[31m", "a\u202eb", "a\x00b", "a\ud800b"], ids=ascii
)
def test_hostile_name_stays_in_its_line(formatter: logging.Formatter, name: str) -> None:
    line = written(formatter, "course %s", name)
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    line.encode()


def test_text_of_an_exception_cannot_imitate_a_record() -> None:
    try:
        raise ValueError("bad\n2026-01-01 00:00:00 INFO dupdash: forged\rERROR forged")
    except ValueError:
        record = logging.getLogger("x").makeRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    first, *others = text_formatter().format(record).split("\n")
    assert first.endswith("failed")
    assert others[-1] == "    2026-01-01 00:00:00 INFO dupdash: forged\\rERROR forged"
    assert all(line.startswith("    ") and line.isprintable() for line in others)


@pytest.mark.parametrize(
    ("given", "accepted"),
    [("proxy-1.2_x", True), ("", False), ("a b", False), ("x" * 65, False), ("a\nb", False)],
    ids=["good", "none", "blank", "long", "line break"],
)
def test_request_id_of_a_proxy_is_checked(client: Client, given: str, accepted: bool) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": given})
    assert (answer["X-Request-ID"] == given) is accepted
    assert answer["X-Request-ID"]


def test_report_to_sentry_has_no_secrets() -> None:
    event: Any = {
        "message": "failed with s3cret-token",
        "request": {"url": "https://dupdash.example.edu/x", "query_string": "wstoken=s3cret-token"},
        "extra": {"deep": ["s3cret-token"]},
    }
    cleaned = without_secrets(("s3cret-token", ""))(event, {})
    assert cleaned == {
        "message": "failed with [hidden]",
        "request": {"url": "https://dupdash.example.edu/x"},
        "extra": {"deep": ["[hidden]"]},
    }
