"""Advises what to do about a failed job: sentences that fit the permissions of the reader."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dupdash.duplication.explanations import Explanation, explain_failure

if TYPE_CHECKING:
    from dupdash.duplication.models import DuplicationJob


@dataclass(frozen=True)
class Reader:
    """What the person who reads an explanation may do with the failed job."""

    is_administrator: bool = False
    # “Try again”.
    can_retry: bool = False
    # “Edit and try again”.
    can_edit: bool = False
    # “Delete the partial course”, or “Delete a possible partial course”.
    can_delete: bool = False


def what_to_do(job: "DuplicationJob", reader: Reader) -> str:
    """Return sentences about what this reader can do about a failed job. They name only buttons that the reader has."""
    explanation, deletion = explain_failure(job), _deletion(job, reader)
    if job.is_retried:
        return " ".join([*deletion, *_fix(explanation, reader)]) or "Nothing, because there is a later attempt."
    return advice(explanation, reader, first=deletion)


def advice(explanation: Explanation, reader: Reader, *, first: Sequence[str] = ()) -> str:
    """Return sentences about what this reader can do about an error. ``first``: sentences to start with."""
    fixes = [*first, *_fix(explanation, reader)]
    sentences = [*fixes, _retry(explanation, reader, after_fix=bool(fixes))]
    if explanation.if_again:
        task = _assigned(explanation.if_again, reader, by_operator=explanation.by_operator)
        sentences.append(f"If it fails again, {task}.")
    return " ".join(sentences)


def _deletion(job: "DuplicationJob", reader: Reader) -> list[str]:
    if job.left_partial_course:
        if reader.can_delete:
            return ["Select “Delete the partial course”."]
        return [_sentence(_assigned("delete the partial course in Moodle", reader))]
    if job.may_have_left_course:
        if reader.can_delete:
            return ["Check the courses that this job may have left, and select “Delete a possible partial course”."]
        return [_sentence(_assigned("check whether this job left a course in Moodle", reader))]
    return []


def _fix(explanation: Explanation, reader: Reader) -> list[str]:
    fix = explanation.fix
    return [_sentence(_assigned(fix, reader, by_operator=explanation.by_operator))] if fix else []


def _assigned(task: str, reader: Reader, *, by_operator: bool = False) -> str:
    """Return a task with "ask a course administrator to" before it, unless the reader is one.

    ``by_operator``: only the operator can do the task, so "ask the operator of dupdash to" stands before it.
    """
    if by_operator:
        return f"ask the operator of dupdash to {task}"
    return task if reader.is_administrator else f"ask a course administrator to {task}"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _retry(explanation: Explanation, reader: Reader, *, after_fix: bool) -> str:
    """Return a sentence like "Select “Try again” later.", or "The requester can select “Try again” later."."""
    if explanation.change:
        able, button, more = reader.can_edit, "Edit and try again", f" and {explanation.change}"
    else:
        able, button, more = reader.can_retry, "Try again", f" {explanation.when}".rstrip()
    who = f"select “{button}”" if able else f"the requester can select “{button}”"
    return _sentence(f"{'then ' if after_fix else ''}{who}{more}")
