"""Computes the columns of a job that depend on its other columns: for a constraint, for sorting and for searching.

``DuplicationJob.save`` and ``transitions`` write them together with the columns they depend on. The requester's name is
in another table; ``requester_names`` updates the columns that depend on it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User

from dupdash.duplication.person_names import name_of
from dupdash.duplication.search_text import SEARCH_TEXT_LONGEST, fold_text, search_words
from dupdash.moodle.name_comparison import short_name_key

if TYPE_CHECKING:
    from dupdash.duplication.models import DuplicationJob

KEY_LONGEST = 300
# The columns that a search reads, in addition to the requester's names. Ids are searched in their own columns.
SEARCHED = ("fullname", "shortname", "source_fullname", "source_shortname", "failure_code", "failure_message")
# A change of one of these changes a derived column.
INPUT_COLUMNS = frozenset({*SEARCHED, "options", "verification"})


def derived_columns(job: "DuplicationJob", changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the derived columns by name, as they must be after ``changes`` to ``job``."""
    values = {name: getattr(job, name) for name in INPUT_COLUMNS} | dict(changes or {})
    text = f"{requester_text(job.requester)}{search_words(*(values[name] for name in SEARCHED))}"
    return {
        "shortname_key": short_name_key(values["shortname"]),
        "source_key": sort_key(values["source_shortname"]),
        "requester_key": requester_key(job.requester),
        "chosen_options": " ".join(sorted(name for name, chosen in values["options"].items() if chosen)),
        "search_text": text[:SEARCH_TEXT_LONGEST],
        "differs": verification_differs(values["verification"]),
    }


def verification_differs(report: "Mapping[str, Any] | None") -> bool:
    """Return whether a copy was compared with its source and differs from it."""
    return report is not None and not report["complete"] and not report.get("why_not")


def sort_key(text: str) -> str:
    return fold_text(text)[:KEY_LONGEST]


def requester_key(person: User | None) -> str:
    """Return the key for sorting jobs by requester: the folded name.

    For the command line it is "", so that jobs from there come first.
    """
    return sort_key(name_of(person, ""))


def requester_text(person: User | None) -> str:
    """Return the first line of ``search_text``: name, username and email address of the requester."""
    names = (person.get_full_name(), person.get_username(), person.email) if person else ()
    return f"{search_words(*names)}\n"
