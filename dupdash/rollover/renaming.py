"""Derives the names and ID number of a copy from those of its source: next year, find and replace, templates."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import re2

from dupdash.web.name_suggestions import raised

# The placeholders that each template may contain.
TOKENS = ("{shortname}", "{fullname}", "{term}")
IDNUMBER = "{idnumber}"
TEMPLATES = {
    "shortname_template": TOKENS,
    "fullname_template": TOKENS,
    "idnumber_template": (IDNUMBER, *TOKENS),
}
_TOKEN = re.compile(r"\{[^{}]*\}")
_GROUP = re.compile(r"\\(\d+)")
# Names are cut to this length, far above Moodle's limits. The check of the rows reports names that are too long.
RESULT_LONGEST = 1000


class Rule(StrEnum):
    NEXT_YEAR = "year"
    REPLACE = "replace"
    REGEX = "regex"
    KEEP = "keep"


class InvalidRule(ValueError):
    """The rule cannot be applied. ``field`` is the wrong field of ``Renaming``, and the message says what to do."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


@dataclass(frozen=True)
class Renaming:
    """The rule for new names. ``find`` and ``replace`` are used by REPLACE and REGEX.

    The rule changes the names of the source. Then the templates compose the names of the copy.
    """

    rule: Rule = Rule.NEXT_YEAR
    find: str = ""
    replace: str = ""
    term: str = ""
    shortname_template: str = "{shortname}"
    fullname_template: str = "{fullname}"
    # If this is empty, the copies get no ID number.
    idnumber_template: str = ""

    def check(self) -> None:
        """Raise InvalidRule for an empty field, an invalid regular expression or an unknown placeholder."""
        if self.rule in (Rule.REPLACE, Rule.REGEX) and not self.find:
            raise InvalidRule("find", "Enter what is to be replaced.")
        if self.rule == Rule.REGEX:
            _substitute(self.find, self.replace, "")
        for field, tokens in TEMPLATES.items():
            template: str = getattr(self, field)
            for token in _TOKEN.findall(template):
                if token not in tokens:
                    raise InvalidRule(field, f"{token} is not a placeholder. Use: {', '.join(tokens)}.")
            if "{term}" in template and not self.term:
                raise InvalidRule("term", "Enter the term that {term} stands for.")

    def names(self, fullname: str, shortname: str) -> tuple[str, str]:
        """Return the full name and the short name of a copy."""
        values = self._values(fullname, shortname)
        return _filled(self.fullname_template, values), _filled(self.shortname_template, values)

    def idnumber(self, fullname: str, shortname: str, idnumber: str) -> str:
        """Return the ID number of a copy; "" if the template is empty or needs an ID number that the source lacks."""
        if IDNUMBER in self.idnumber_template and not idnumber:
            return ""
        values = {**self._values(fullname, shortname), IDNUMBER: self._changed(idnumber)}
        return _filled(self.idnumber_template, values)

    def _changed(self, name: str) -> str:
        match self.rule:
            case Rule.NEXT_YEAR:
                return raised(name) or name
            case Rule.REPLACE:
                return name.replace(self.find, self.replace)
            case Rule.REGEX:
                return _substitute(self.find, self.replace, name)
            case Rule.KEEP:
                return name

    def _values(self, fullname: str, shortname: str) -> dict[str, str]:
        values = (self._changed(shortname), self._changed(fullname), self.term)
        return dict(zip(TOKENS, values, strict=True))


def _filled(template: str, values: Mapping[str, str]) -> str:
    return _TOKEN.sub(lambda found: values.get(found[0], found[0]), template)[:RESULT_LONGEST].strip()


def _substitute(pattern: str, replacement: str, name: str) -> str:
    """Replace the matches of a regular expression. Raises InvalidRule.

    Uses RE2, whose running time is linear in the length of the name.
    """
    try:
        expression = re2.compile(pattern)
        if any(int(group) > expression.groups for group in _GROUP.findall(replacement)):
            raise IndexError
        return str(expression.sub(replacement, name))
    except re2.error as error:
        said = error.args[0] if error.args else ""
        why = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise InvalidRule("find", f"This regular expression cannot be used: {why}.") from None
    except (IndexError, ValueError):
        raise InvalidRule("replace", "The replacement names a group that the expression does not have.") from None
