"""Holds the tables of the sandbox site in memory.

Records are frozen. A change replaces a record, so that threads can use a record without a lock.
"""

import threading
import unicodedata
from collections import defaultdict
from dataclasses import replace
from typing import Any

from dupdash.sandbox.records import Category, Course, Module, Section, University, User


def collated(name: str) -> str:
    """Return the key by which MariaDB's ``utf8mb4_unicode_ci`` compares names: without case and accents.

    All emoji count as equal.
    """
    letters = unicodedata.normalize("NFKD", name.rstrip(" ").casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()
    return "".join(letter if letter <= "\uffff" else "\ufffd" for letter in plain)


class State:
    def __init__(self, university: University) -> None:
        self.lock = threading.RLock()
        self.sitename = university.sitename
        self.categories: dict[int, Category] = {category.id: category for category in university.categories}
        self.users: dict[int, User] = {user.id: user for user in university.users}
        self._courses: dict[int, Course] = {}
        self._by_shortname: dict[str, dict[int, None]] = defaultdict(dict)
        self._by_fullname: dict[str, dict[int, None]] = defaultdict(dict)
        # Courses that have no context yet, and whether a lookup has touched them.
        self._newborn: dict[int, bool] = {}
        self.next_course_id = university.next_course_id
        self.next_module_id = university.next_module_id
        self.next_section_id = university.next_section_id
        for course in university.courses:
            self.put(course)

    # Reading

    def courses(self) -> list[Course]:
        """Return all courses by id, including hidden and partial ones and course 1, the front page."""
        with self.lock:
            return sorted(self._courses.values(), key=lambda course: course.id)

    def course(self, courseid: int) -> Course | None:
        return self._courses.get(courseid)

    def by_shortname(self, shortname: str) -> list[Course]:
        """Return the courses with this short name, compared as MariaDB does (measured: ``gen-s`` finds ``GEN-S``)."""
        return self._found(self._by_shortname, shortname)

    def by_fullname(self, fullname: str) -> list[Course]:
        return self._found(self._by_fullname, fullname)

    def _found(self, index: dict[str, dict[int, None]], name: str) -> list[Course]:
        with self.lock:
            ids = index.get(collated(name), {})
            return [self._courses[courseid] for courseid in sorted(ids)]

    def in_category(self, categoryid: int) -> list[Course]:
        return [course for course in self.courses() if course.categoryid == categoryid]

    def user_named(self, username: str) -> User | None:
        return next((user for user in self.users.values() if user.username == username), None)

    # Writing

    def put(self, course: Course) -> None:
        with self.lock:
            self._forget(course.id)
            self._courses[course.id] = course
            self._by_shortname[collated(course.shortname)][course.id] = None
            self._by_fullname[collated(course.fullname)][course.id] = None

    def add(self, **columns: Any) -> Course:
        """Add a course. Its id is higher than every earlier id."""
        with self.lock:
            course = Course(id=self.next_course_id, **columns)
            self.next_course_id += 1
            self.put(course)
            return course

    def add_newborn(self, **columns: Any) -> Course:
        """Add a course whose context does not exist yet."""
        with self.lock:
            course = self.add(**columns)
            self._newborn[course.id] = False
            return course

    def touch(self, courseid: int) -> bool:
        """Create the context of a course, as a lookup does. Returns True if this makes the restore fail."""
        with self.lock:
            newborn = courseid in self._newborn
            if newborn:
                self._newborn[courseid] = True
            return newborn

    def end_newborn(self, courseid: int) -> bool:
        """Create the context of a course, as the restore does. Returns whether a lookup has created it first."""
        with self.lock:
            return self._newborn.pop(courseid, False)

    def change(self, courseid: int, **columns: Any) -> Course | None:
        """Change a course. Returns the new record, or None if the course was deleted in the meantime."""
        with self.lock:
            course = self._courses.get(courseid)
            if course is None:
                return None
            course = replace(course, **columns)
            self.put(course)
            return course

    def delete(self, courseid: int) -> bool:
        with self.lock:
            return self._forget(courseid)

    def _forget(self, courseid: int) -> bool:
        old = self._courses.pop(courseid, None)
        if old is None:
            return False
        for index, name in ((self._by_shortname, old.shortname), (self._by_fullname, old.fullname)):
            ids = index[collated(name)]
            ids.pop(courseid, None)
            if not ids:
                del index[collated(name)]
        return True

    def copied_sections(self, sections: tuple[Section, ...], activities: bool, later: int = 0) -> tuple[Section, ...]:
        """Return copies of the sections, with new ids, and with dates that are ``later`` seconds later.

        ``activities``: whether to copy the activities, too. Subsections are copied only together with the activities.
        They get their numbers in reverse order, because in one measured copy two subsections had exchanged theirs.
        """
        ordinary = [section for section in sections if not section.component]
        subsections = [section for section in sections if section.component] if activities else []
        numbers = [section.section for section in subsections]
        renumbered = [
            replace(section, section=number) for section, number in zip(reversed(subsections), numbers, strict=True)
        ]
        with self.lock:
            return tuple(self._copied_section(section, activities, later) for section in (*ordinary, *renumbered))

    def _copied_section(self, section: Section, activities: bool, later: int) -> Section:
        modules: list[Module] = []
        for module in section.modules if activities else ():
            dates = tuple((name, moment + later) for name, moment in module.dates)
            modules.append(replace(module, id=self.next_module_id, dates=dates))
            self.next_module_id += 1
        copied = replace(section, id=self.next_section_id, modules=tuple(modules))
        self.next_section_id += 1
        return copied

    def new_sections(self, how_many: int) -> tuple[Section, ...]:
        """Return the sections of a new course: a general section and ``how_many`` others."""
        fresh = tuple(Section(0, number, "General" if number == 0 else "New section") for number in range(how_many + 1))
        return self.copied_sections(fresh, activities=True)
