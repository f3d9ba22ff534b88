"""What a Moodle site holds, as frozen records: a change makes a new record."""

from __future__ import annotations

from dataclasses import dataclass, field

# What a stock site gives to a new course and shows of it: guest access and self-enrolment are there, and disabled.
DEFAULT_ENROLMENT_METHODS = ("manual",)


@dataclass(frozen=True, slots=True)
class Module:
    """One activity or resource of a course."""

    id: int
    modname: str
    name: str
    visible: int = 1


@dataclass(frozen=True, slots=True)
class Section:
    id: int
    section: int
    name: str
    summary: str = ""
    modules: tuple[Module, ...] = ()
    # Of the activity that holds the section: ``mod_subsection``; "" for an ordinary section.
    component: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    id: int
    fullname: str
    shortname: str
    categoryid: int
    visible: int = 1
    idnumber: str = ""
    summary: str = ""
    format: str = "topics"
    startdate: int = 0
    enddate: int = 0
    timecreated: int = 0
    timemodified: int = 0
    teachers: tuple[int, ...] = ()
    students: tuple[int, ...] = ()
    # Enrolled, and without a role.
    without_role: tuple[int, ...] = ()
    enrolment_methods: tuple[str, ...] = DEFAULT_ENROLMENT_METHODS
    # The filters that are off in this course; the others are as the site has them.
    filters_off: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    # What Moodle's tables do not say, but a test wants to know.
    origin: str = "seed"  # seed | copy | person | created
    requested: str = ""  # the short name that a copy was asked for under
    complete: bool = True

    @property
    def enrolled(self) -> tuple[int, ...]:
        return self.teachers + self.students + self.without_role

    @property
    def modules(self) -> tuple[Module, ...]:
        return tuple(module for section in self.sections for module in section.modules)


@dataclass(frozen=True, slots=True)
class Category:
    id: int
    name: str
    parent: int
    sortorder: int
    depth: int
    path: str
    idnumber: str | None = None
    description: str = ""
    visible: int = 1
    timemodified: int = 0


@dataclass(frozen=True, slots=True)
class User:
    id: int
    username: str
    firstname: str
    lastname: str
    email: str
    role: str = "user"  # admin | manager | user

    @property
    def fullname(self) -> str:
        return f"{self.firstname} {self.lastname}"

    @property
    def sees_everything(self) -> bool:
        return self.role in ("admin", "manager")


@dataclass(frozen=True, slots=True)
class University:
    """The site as it is on a fresh start."""

    sitename: str
    categories: tuple[Category, ...]
    users: tuple[User, ...]
    courses: tuple[Course, ...]
    next_course_id: int
    next_module_id: int
    next_section_id: int


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """The parameters of ``core_course_duplicate_course``, already validated.

    An option that is missing in ``options`` was left out: the backup's own default counts, and that is 1 (measured:
    with ``users`` left out everybody is copied).
    """

    courseid: int
    fullname: str
    shortname: str
    categoryid: int
    visible: int = 1
    options: dict[str, int] = field(default_factory=dict)
    # Whether the account that makes the copy may set up enrolment methods.
    may_configure_enrolments: bool = True

    def option(self, name: str) -> int:
        return self.options.get(name, 1)
