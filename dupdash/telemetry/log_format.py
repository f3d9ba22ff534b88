"""Formats log lines as text for people or JSON for log collectors, and removes what they must not contain."""

import logging
import re
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

_QUERY = re.compile(r"\?\S*")


class WithoutQueries(logging.Filter):
    """Removes the query from request lines, because Moodle's protocol allows a token there (GET)."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_QUERY.sub("?…", item) if isinstance(item, str) else item for item in record.args)
        return True


class OneLineFormatter(logging.Formatter):
    """Writes the message of each record on one line. The lines of a traceback follow, indented.

    So a line break in a name or in the text of an exception cannot imitate another record.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = _printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return _indented(super().formatStack(stack_info))


class JsonLineFormatter(JsonFormatter):
    """Writes each record as a line of JSON: time, level, logger, message, and the known ids of request and job."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s %(job_id)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Leave out the ids of request and job if they are unknown."""
        return {key: value for key, value in log_data.items() if value or key not in ("request_id", "job_id")}


def _indented(text: str) -> str:
    return "\n".join(f"    {_printable(line)}" for line in text.split("\n"))


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else _escaped(char) for char in line)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
