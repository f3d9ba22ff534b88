"""Examines this host for ``manage.py doctor``: settings, database, broker, cache, worker, email, static files."""

import shutil
import smtplib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.core.checks import WARNING as CHECK_WARNING
from django.core.checks import run_checks
from django.core.mail import get_connection
from django.http.request import validate_host

from dupdash.operations.readiness import Check, check_broker, check_database, check_worker

FREE_SPACE_LEAST = 1024**3
"""Bytes. A database on a full disk refuses every write."""


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """The result of one examination. ``advice``: what to do about a problem; "" if there is nothing to do."""

    level: Level
    subject: str
    text: str
    advice: str = ""


def examine_host() -> Iterator[Finding]:
    """Examine everything except Moodle. A failed examination does not stop the others."""
    for subject, examine in EXAMINATIONS:
        try:
            yield from examine()
        except Exception as error:
            yield Finding(Level.PROBLEM, subject, f"It could not be examined: {type(error).__name__}: {error}")


def examine_settings() -> Iterator[Finding]:
    subject = "Settings"
    for message in run_checks(include_deployment_checks=True):
        if not message.is_silenced():
            level = Level.PROBLEM if message.level > CHECK_WARNING else Level.WARNING
            yield Finding(level, subject, message.msg, message.hint or "")
    if settings.DEBUG:
        yield Finding(
            Level.PROBLEM, subject, "DEBUG is on.", "Set DEBUG=false: error pages would show settings to visitors."
        )
    host = urlsplit(settings.SITE_URL).hostname or ""
    if not validate_host(host, settings.ALLOWED_HOSTS):
        yield Finding(
            Level.PROBLEM,
            subject,
            f"Emails link to {settings.SITE_URL}, and ALLOWED_HOSTS does not name {host}.",
            "Set SITE_URL to the URL that people use, and name its host in ALLOWED_HOSTS.",
        )
    elif settings.SITE_URL.startswith("http://") and not settings.DEBUG:
        yield Finding(
            Level.WARNING,
            subject,
            f"SITE_URL is {settings.SITE_URL}, without encryption.",
            "Serve dupdash by HTTPS, set BEHIND_HTTPS=true, and SITE_URL to the https URL.",
        )
    else:
        yield Finding(Level.OK, subject, f"Links in emails begin with {settings.SITE_URL}.")


def examine_database() -> Iterator[Finding]:
    yield _finding("Database", check_database(), "It answers, and its tables are up to date.")
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        free = shutil.disk_usage(Path(database["NAME"]).parent).free
        if free < FREE_SPACE_LEAST:
            yield Finding(
                Level.WARNING,
                "Database",
                f"Only {free // 1024**2} MiB are free on the disk of the database.",
                "Free some space. A database on a full disk refuses every write.",
            )


def examine_broker() -> Iterator[Finding]:
    yield _finding("Message broker", check_broker(), "It answers.")


def examine_cache() -> Iterator[Finding]:
    key, value = f"doctor-{uuid.uuid4().hex}", uuid.uuid4().hex
    cache.set(key, value, 60)
    found = cache.get(key)
    cache.delete(key)
    if found == value:
        yield Finding(Level.OK, "Cache", "It works.")
    else:
        yield Finding(
            Level.PROBLEM, "Cache", "It lost a value that was just stored.", "Check the memory and the policy of Redis."
        )


def examine_worker() -> Iterator[Finding]:
    yield _finding("Worker", check_worker(), "It runs.")


def examine_mail() -> Iterator[Finding]:
    """Open a connection to the mail server, and send nothing."""
    if "smtp" not in settings.EMAIL_BACKEND:
        yield Finding(
            Level.WARNING,
            "Mail",
            f"dupdash sends no emails by SMTP: EMAIL_BACKEND is {settings.EMAIL_BACKEND}.",
            "Set EMAIL_BACKEND=django.core.mail.backends.smtp.EmailBackend and EMAIL_HOST.",
        )
        return
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    connection = get_connection()
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        yield Finding(
            Level.PROBLEM,
            "Mail",
            f"The mail server {server} cannot be used: {error}",
            "Check the settings that begin with EMAIL_. dupdash keeps emails for three days and tries again by itself.",
        )
    else:
        yield Finding(Level.OK, "Mail", f"The mail server {server} accepts a connection.")
    finally:
        connection.close()


def examine_static_files() -> Iterator[Finding]:
    if settings.DEBUG or any(Path(settings.STATIC_ROOT).glob("css/*")):
        yield Finding(Level.OK, "Static files", "They are in place.")
    else:
        yield Finding(
            Level.PROBLEM,
            "Static files",
            f"There are none in {settings.STATIC_ROOT}, so pages have no style.",
            "Run manage.py collectstatic.",
        )


EXAMINATIONS: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
    ("Settings", examine_settings),
    ("Database", examine_database),
    ("Message broker", examine_broker),
    ("Cache", examine_cache),
    ("Worker", examine_worker),
    ("Mail", examine_mail),
    ("Static files", examine_static_files),
)


def _finding(subject: str, check: Check, good: str) -> Finding:
    return Finding(Level.OK, subject, good) if check.passed else Finding(Level.PROBLEM, subject, check.detail)
