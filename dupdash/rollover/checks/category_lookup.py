"""Finds the category that a row of a plan names by id, idnumber or path."""

from collections.abc import Sequence
from dataclasses import dataclass

from dupdash.duplication.name_display import in_one_language
from dupdash.duplication.request import as_id
from dupdash.moodle.records import Category

# The maximum number of categories with a similar name that an error message suggests.
PROPOSED_MOST = 3


@dataclass(frozen=True)
class Place:
    """A category with its full path. ``hidden``: the category or one of its parents is hidden from students."""

    category: Category
    path: str
    hidden: bool


class CategoryNotFound(Exception):
    """No category matches, or more than one. The message tells a person why."""


class Categories:
    """All categories of the site, indexed by id, idnumber and path."""

    def __init__(self, all_categories: Sequence[Category]) -> None:
        by_id = {category.id: category for category in all_categories}
        self._by_id = {category.id: _place(category, by_id) for category in all_categories}
        self._by_idnumber: dict[str, list[Place]] = {}
        self._by_path: dict[str, list[Place]] = {}
        self._by_name: dict[str, list[Place]] = {}
        for place in self._by_id.values():
            if place.category.idnumber:
                self._by_idnumber.setdefault(place.category.idnumber.casefold(), []).append(place)
            self._by_path.setdefault(_comparable(place.path), []).append(place)
            self._by_name.setdefault(_comparable(in_one_language(place.category.name)), []).append(place)

    def find(self, text: str) -> Place:
        """Find a category by id, idnumber or path. Raises CategoryNotFound."""
        number = None if text.startswith("0") else as_id(text)
        if number is not None and number in self._by_id:
            return self._by_id[number]
        if text.casefold() in self._by_idnumber:
            return self.find_by_idnumber(text)
        return self.find_by_path(text)

    def find_by_idnumber(self, text: str) -> Place:
        return _only(self._by_idnumber.get(text.casefold(), []), f"Moodle has no category with the ID number “{text}”.")

    def find_by_path(self, text: str) -> Place:
        found = self._by_path.get(_comparable(text), [])
        if found:
            return _only(found, "")
        alike = self._by_name.get(_comparable(text.rpartition("/")[2]), [])
        proposed = "".join(f" There is “{place.path}” (id {place.category.id})." for place in alike[:PROPOSED_MOST])
        raise CategoryNotFound(f"Moodle has no category “{text}”.{proposed}")


def _only(found: list[Place], missing: str) -> Place:
    if not found:
        raise CategoryNotFound(missing)
    if len(found) > 1:
        ids = ", ".join(str(place.category.id) for place in found)
        raise CategoryNotFound(f"Several categories match. Use one of their ids: {ids}.")
    return found[0]


def _place(category: Category, by_id: dict[int, Category]) -> Place:
    steps = [by_id[int(step)] for step in category.path.strip("/").split("/") if step.isdigit() and int(step) in by_id]
    path = " / ".join(in_one_language(step.name) for step in steps)
    return Place(category, path, any(step.visible is False for step in steps))


def _comparable(path: str) -> str:
    """Return the path in the form in which paths are compared: without case and extra blanks.

    A name may itself contain a slash.
    """
    return "/".join(" ".join(step.split()) for step in path.casefold().split("/"))
