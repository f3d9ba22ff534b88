"""Finds the category for the copy of a course: one for all, or the one that follows the category of the source."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dupdash.moodle.records import Category, Course
from dupdash.rollover.judging.categories import Categories, CategoryNotFound


class Target(StrEnum):
    ONE = "one"
    SAME = "same"
    # The path of the source's category, with a part of it replaced.
    BY_NAME = "name"
    # The category after that of the source, below the same parent.
    NEXT = "next"


@dataclass(frozen=True)
class TargetRule:
    """``category``: id, idnumber or path, for ONE. ``find`` and ``replace``: for BY_NAME."""

    target: Target
    category: str = ""
    find: str = ""
    replace: str = ""

    def category_of(self, course: Course, known: Sequence[Category], categories: Categories) -> str:
        """What a row says as its category: an id, or the path of a category that does not exist."""
        match self.target:
            case Target.ONE:
                return self.category
            case Target.SAME:
                return str(course.category_id)
            case Target.BY_NAME:
                return self._renamed(course, categories)
            case Target.NEXT:
                return _next(course, known)

    def _renamed(self, course: Course, categories: Categories) -> str:
        try:
            path = categories.find(str(course.category_id)).path.replace(self.find, self.replace)
        except CategoryNotFound:
            return ""
        try:
            return str(categories.find_by_path(path).category.id)
        except CategoryNotFound:
            return path


def _next(course: Course, known: Sequence[Category]) -> str:
    own = next((category for category in known if category.id == course.category_id), None)
    if own is None:
        return ""
    siblings = sorted((one for one in known if one.parent == own.parent), key=lambda one: (one.sortorder, one.id))
    place = siblings.index(own) + 1
    return str(siblings[place].id) if place < len(siblings) else ""
