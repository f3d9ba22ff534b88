"""Advises what to do about a failed job: sentences that fit the permissions of the reader."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dupdash.duplication.explanations import Explanation, explain_failure

if TYPE_CHECKING:
    from dupdash.duplication.models import DuplicationJob


@dataclass(frozen=True)
class Reader:
    """A person who reads an explanation: which actions this person may do with the failed job."""

    is_administrator: bool = False
    can_retry: bool = False
    can_edit: bool = False
    # The job page has a button that deletes the partial course.
    can_delete: bool = False


def what_to_do(job: "DuplicationJob", reader: Reader) -> str:
    """Return sentences about what this reader can do about a failed job. They name only buttons that the reader has."""
    explanation, deletion = explain_failure(job), _deletion(job, reader)
    if job.is_retried:
        return " ".join([*deletion, *_fix(explanation, reader)]) or "Nothing: there is a later attempt."
    return advice(explanation, reader, first=deletion)


def advice(explanation: Explanation, reader: Reader, *, first: Sequence[str] = ()) -> str:
    """Return sentences about what this reader can do about an error. ``first``: sentences to start with."""
    fixes = [*first, *_fix(explanation, reader)]
    sentences = [*fixes, _retry(explanation, reader, after_fix=bool(fixes))]
    if explanation.if_again:
        sentences.append(f"If it fails again, {_asked(explanation.if_again, explanation, reader)}.")
    return " ".join(sentences)


def _deletion(job: "DuplicationJob", reader: Reader) -> list[str]:
    if job.left_partial_course:
        return ["Select “Delete the partial course”."] if reader.can_delete else _by_administrator(_DELETE, reader)
    if job.may_have_left_course:
        return (
            ["Check the courses that this job may have left, and select “Delete a possible partial course”."]
            if reader.can_delete
            else _by_administrator("check whether this job left a course in Moodle", reader)
        )
    return []


_DELETE = "delete the partial course in Moodle"


def _by_administrator(fix: str, reader: Reader) -> list[str]:
    return [f"{fix[0].upper()}{fix[1:]}." if reader.is_administrator else f"Ask a course administrator to {fix}."]


def _fix(explanation: Explanation, reader: Reader) -> list[str]:
    if not explanation.fix:
        return []
    fix = _asked(explanation.fix, explanation, reader)
    return [f"{fix[0].upper()}{fix[1:]}."]


def _asked(task: str, explanation: Explanation, reader: Reader) -> str:
    """Return a task, preceded by whom this reader asks to do it."""
    if explanation.by_operator:
        return f"ask the operator of dupdash to {task}"
    return task if reader.is_administrator else f"ask a course administrator to {task}"


def _retry(explanation: Explanation, reader: Reader, *, after_fix: bool) -> str:
    """Return a sentence like "Select “Try again” later.", or one that says who can do that."""
    if explanation.change:
        able, button, more = reader.can_edit, "Edit and try again", f" and {explanation.change}"
    else:
        able, button, more = reader.can_retry, "Try again", f" {explanation.when}".rstrip()
    who = f"select “{button}”" if able else f"the requester can select “{button}”"
    sentence = f"{'then ' if after_fix else ''}{who}{more}."
    return f"{sentence[0].upper()}{sentence[1:]}"
