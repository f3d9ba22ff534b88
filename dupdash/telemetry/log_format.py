"""The format of log lines: text for people, JSON for log collectors, and what must not be in either."""

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
    """Text lines. A line break in a name from outside cannot start a line that looks like another record."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = "".join(char if char.isprintable() else _escaped(char) for char in record.message)
        return super().formatMessage(record)


class JsonLineFormatter(JsonFormatter):
    """One JSON object a line: time, level, logger, message, and the ids of request and job where they are known."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s %(job_id)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Leave out the ids where there are none."""
        return {key: value for key, value in log_data.items() if value or key not in ("request_id", "job_id")}


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
