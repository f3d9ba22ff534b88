"""Defines the records of the sandbox site: courses, categories, people and so on. A change replaces a record."""

from dataclasses import dataclass, field

# The enabled enrolment methods of a new course on a stock site. It also has guest access and self-enrolment, disabled.
DEFAULT_ENROLMENT_METHODS = ("manual",)


@dataclass(frozen=True, slots=True)
class Module:
    """One activity or resource of a course."""

    id: int
    modname: str
    name: str
    visible: int = 1
    # The dates as ``core_course_get_contents`` returns them: the name of the field in Moodle, and a Unix timestamp.
    dates: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    id: int
    section: int
    name: str
    summary: str = ""
    modules: tuple[Module, ...] = ()
    # The component of the activity that contains the section: ``mod_subsection``; "" for an ordinary section.
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
    # Whether the person is enrolled without a role.
    without_role: tuple[int, ...] = ()
    enrolment_methods: tuple[str, ...] = DEFAULT_ENROLMENT_METHODS
    # The filters that are switched off in this course. Other filters have the setting of the site.
    filters_off: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    # Moodle does not have these fields. They are for tests.
    origin: str = "seed"  # seed | copy | person | created
    requested: str = ""  # The short name that was requested for this copy.
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
    """The courses, categories and people of the site at a fresh start."""

    sitename: str
    categories: tuple[Category, ...]
    users: tuple[User, ...]
    courses: tuple[Course, ...]
    next_course_id: int
    next_module_id: int
    next_section_id: int


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """The validated parameters of ``core_course_duplicate_course``.

    For an option that ``options`` does not contain, the backup's own default applies, which is 1. For example, a
    request without ``users`` copies all people (measured).
    """

    courseid: int
    fullname: str
    shortname: str
    categoryid: int
    visible: int = 1
    options: dict[str, int] = field(default_factory=dict)
    # Start date, end date (Unix timestamps) and ID number of the copy; None to keep those of the source.
    startdate: int | None = None
    enddate: int | None = None
    idnumber: str = ""
    # The capabilities that the account that makes the copy lacks.
    lacks: frozenset[str] = frozenset()

    def option(self, name: str) -> int:
        return self.options.get(name, 1)
