"""Finds the category of a copy by a rule.

It is one category for all copies, the category of the source, the next one below the same parent, or the one at the
source's path with a part of the path replaced.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dupdash.moodle.records import Category, Course
from dupdash.rollover.checks.category_lookup import Categories, CategoryNotFound


class Target(StrEnum):
    ONE = "one"
    SAME = "same"
    # The category whose path is that of the source's category with a part replaced.
    BY_NAME = "name"
    # The category after that of the source, below the same parent.
    NEXT = "next"


@dataclass(frozen=True)
class TargetRule:
    """The rule for categories. ONE uses ``category`` (id, idnumber or path). BY_NAME uses ``find`` and ``replace``."""

    target: Target
    category: str = ""
    find: str = ""
    replace: str = ""

    def category_of(self, course: Course, all_categories: Sequence[Category], categories: Categories) -> str:
        """Return the value for the category cell of a row: an id, or for ONE what the person entered.

        BY_NAME returns the path of a category that does not exist. "" means that no category was found.
        """
        match self.target:
            case Target.ONE:
                return self.category
            case Target.SAME:
                return str(course.category_id)
            case Target.BY_NAME:
                return self._renamed(course, categories)
            case Target.NEXT:
                return _next(course, all_categories)

    def _renamed(self, course: Course, categories: Categories) -> str:
        try:
            path = categories.find(str(course.category_id)).path.replace(self.find, self.replace)
        except CategoryNotFound:
            return ""
        try:
            return str(categories.find_by_path(path).category.id)
        except CategoryNotFound:
            return path


def _next(course: Course, all_categories: Sequence[Category]) -> str:
    own = next((category for category in all_categories if category.id == course.category_id), None)
    if own is None:
        return ""
    siblings = sorted(
        (one for one in all_categories if one.parent == own.parent), key=lambda one: (one.sortorder, one.id)
    )
    place = siblings.index(own) + 1
    return str(siblings[place].id) if place < len(siblings) else ""
