"""Makes untrusted text safe for emails: names of courses and people, and what people or Moodle wrote."""

import unicodedata

from django.conf import settings
from django.contrib.auth.models import User
from django.template.defaultfilters import truncatechars
from django.urls import reverse

from dupdash.duplication import person_names
from dupdash.duplication.models import DuplicationJob

# These characters change the direction of the text behind them, and can make a line read differently.
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def one_line(text: str, longest: int = 0) -> str:
    """Return the text on one line, without control characters and direction marks.

    It is cut to ``longest`` characters; 0 means no limit.
    """
    harmless = "".join(" " if _is_control(character) else character for character in text)
    line = " ".join(harmless.split())
    return str(truncatechars(line, longest)) if longest else line


def quoted(text: str) -> str:
    """Quote a text: every line begins with ">", so that it cannot be mistaken for dupdash's own words."""
    lines = text.strip().splitlines() or [""]
    return "\n".join(f"> {one_line(line)}".rstrip() for line in lines)


def name_of(person: User | None, nobody: str) -> str:
    return one_line(person_names.name_of(person, nobody))


def job_url(job: DuplicationJob) -> str:
    return absolute(reverse("jobs:job", args=[job.pk]))


def absolute(path: str) -> str:
    return f"{settings.SITE_URL}{path}"


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI
