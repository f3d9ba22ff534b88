"""Frozen records of the sandbox site. A change replaces a record."""

from __future__ import annotations

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
    # As the contents service shows them: the name of the field in Moodle, and a Unix timestamp.
    dates: tuple[tuple[str, int], ...] = ()


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
    # Enrolled without a role.
    without_role: tuple[int, ...] = ()
    enrolment_methods: tuple[str, ...] = DEFAULT_ENROLMENT_METHODS
    # The filters that are off in this course. The others have the site's setting.
    filters_off: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    # For tests; Moodle does not have these.
    origin: str = "seed"  # seed | copy | person | created
    requested: str = ""  # the short name in the request for this copy
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
    """The site on a fresh start."""

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

    If an option is missing in ``options``, the backup's own default applies, which is 1 (measured: without ``users``,
    everybody is copied).
    """

    courseid: int
    fullname: str
    shortname: str
    categoryid: int
    visible: int = 1
    options: dict[str, int] = field(default_factory=dict)
    # Unix timestamps and idnumber in place of the source's; None: as in the source.
    startdate: int | None = None
    enddate: int | None = None
    idnumber: str = ""
    # Whether the account that makes the copy may configure enrolment methods.
    may_configure_enrolments: bool = True
    # Whether it may assign roles.
    may_assign_roles: bool = True

    def option(self, name: str) -> int:
        return self.options.get(name, 1)
