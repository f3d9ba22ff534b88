"""What Moodle tells, as frozen records. Names are raw, as Moodle stores them: they may hold several languages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contact:
    """A person shown with a course, by default an editing teacher."""

    id: int
    fullname: str


@dataclass(frozen=True)
class Course:
    """A course, as the token's account may see it.

    ``visible``, ``idnumber``, ``startdate``, ``enddate`` and ``timemodified`` are None where Moodle does not tell them:
    in search results, and to an account that may not update the course. Times are seconds since 1970; 0 is none.
    ``category_name`` is "" in the list of a person's courses, which does not have it, and so are
    ``contacts`` empty there.
    """

    id: int
    shortname: str
    fullname: str
    category_id: int
    category_name: str = ""
    visible: bool | None = None
    idnumber: str | None = None
    startdate: int | None = None
    enddate: int | None = None
    timemodified: int | None = None
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True)
class Category:
    """A course category. ``parent`` is 0 at the top, ``depth`` 1 at the top, ``path`` like "/1/5".

    ``visible`` is None where the account may not know.
    """

    id: int
    name: str
    parent: int
    depth: int
    path: str
    visible: bool | None
    sortorder: int
    coursecount: int


@dataclass(frozen=True)
class Activity:
    """An activity or a resource in a course; ``id`` is the course module's, ``modname`` like "quiz"."""

    id: int
    name: str
    modname: str
    visible: bool


@dataclass(frozen=True)
class Section:
    """A section of a course; ``number`` is its place, 0 the general one.

    ``component``: the plugin whose activity holds the section, ``mod_subsection`` for a subsection; "" for an ordinary
    one. The numbers of such sections say nothing: Moodle gives them others in a copy (measured on 4.5.6).
    """

    id: int
    number: int
    name: str
    modules: tuple[Activity, ...]
    component: str = ""


@dataclass(frozen=True)
class Contents:
    """The sections of a course, as the token's account may see them.

    ``left_out`` counts the sections and activities that could not be read.
    """

    sections: tuple[Section, ...]
    left_out: int = 0

    @property
    def section_count(self) -> int:
        """How many sections there are."""
        return len(self.sections)

    @property
    def activities(self) -> int:
        """How many activities and resources there are."""
        return sum(len(section.modules) for section in self.sections)


@dataclass(frozen=True)
class SiteInfo:
    """Which site this is, who the token acts as, and which functions it may call.

    ``release`` is for people ("4.5.6 (Build: 20250811)"), ``version`` orders versions ("2024100706"). All texts are ""
    and ``functions`` is None where the site could not say: a single odd field breaks its whole answer.
    """

    sitename: str
    siteurl: str
    release: str
    version: str
    username: str
    is_site_admin: bool
    functions: frozenset[str] | None

    def offers(self, *functions: str) -> bool:
        """Whether the token is known to be allowed to call all of these functions."""
        return self.functions is not None and self.functions.issuperset(functions)

    def lacks(self, function: str) -> bool:
        """Whether the token is known not to be allowed to call this function."""
        return self.functions is not None and function not in self.functions


UNKNOWN_SITE = SiteInfo("", "", "", "", "", is_site_admin=False, functions=None)


@dataclass(frozen=True)
class User:
    """A person in Moodle; ``email`` is "" where Moodle hides it."""

    id: int
    username: str
    email: str
    fullname: str


@dataclass(frozen=True)
class Duplicated:
    """A finished copy, named by Moodle's own answer."""

    id: int
    shortname: str


@dataclass(frozen=True)
class AsyncResult:
    """How a duplication ended, as far as it has. Another dupdash and the Moodle plugin give this result.

    ``state`` is the site's name of the state, ``shortname`` the short name of the copy. ``failurecode`` and
    ``failuremessage`` are "" if the duplication did not fail.
    """

    state: str
    shortname: str
    failurecode: str
    failuremessage: str


@dataclass(frozen=True)
class AsyncStatus:
    """The state of a duplication, from the proposed service.

    ``phase`` and ``status`` are Moodle's numbers, ``progress`` the overall progress as the service gives it.
    """

    phase: int
    status: int
    progress: float
