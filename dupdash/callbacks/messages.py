"""Writes the JSON of callbacks and of messages to the chat, and signs callbacks."""

import hashlib
import hmac
import json
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.crypto import salted_hmac

from dupdash.accounts.models import ApiToken
from dupdash.duplication.explanations import explain_failure
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import course_url
from dupdash.duplication.name_display import in_one_language
from dupdash.duplication.states import State


def secret_of(token: ApiToken) -> str:
    """Return the secret that signs the callbacks of a token. It is derived from SECRET_KEY and never stored."""
    return salted_hmac("dupdash.callbacks", str(token.pk), algorithm="sha256").hexdigest()


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a callback: ``sha256=`` and the hex HMAC-SHA256 of ``timestamp``, a dot and ``body``."""
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def body_about(job: DuplicationJob) -> bytes:
    """Return the JSON of a callback, which reports a job that has ended."""
    failed = job.state == State.FAILED
    return _encoded(
        {
            "event": "job_ended",
            "duplicateid": job.pk,
            "state": job.state,
            "sourceid": job.source_id,
            "shortname": job.shortname,
            "fullname": job.fullname,
            "courseid": job.course_id if job.state == State.SUCCEEDED else None,
            "courseurl": course_url(job.course_id) if job.state == State.SUCCEEDED and job.course_id else None,
            "failurecode": job.failure_code if failed else "",
            "message": explain_failure(job).happened if failed else "",
            "finishedat": int(job.finished_at.timestamp()) if job.finished_at else None,
            "joburl": job_url(job),
        }
    )


def test_body() -> bytes:
    """Return the JSON of a test callback, which reports no job."""
    return _encoded({"event": "test"})


def chat_body(job: DuplicationJob) -> bytes:
    """Return the chat message about a job, in a format that Slack, Mattermost and Teams accept."""
    name = in_one_language(job.fullname)
    if job.state == State.FAILED:
        text = f"The copy “{name}” failed. {explain_failure(job).happened}"
    else:
        text = f"The copy “{name}”: {job.get_state_display().lower()}."
    return _encoded({"text": f"{text} {job_url(job)}"})


def job_url(job: DuplicationJob) -> str:
    return settings.SITE_URL + reverse("jobs:job", args=[job.pk])


def _encoded(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
