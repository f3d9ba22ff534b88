"""Defines the records for Moodle's answers.

Names are in the form in which Moodle stores them, and may contain several languages. ``parsing.py`` fills the records.
``name=`` gives the key in Moodle's answer if it differs from the name of the field.
"""

import math
from typing import Annotated

from msgspec import Meta, Struct, field

_BIGGEST = 2**63 - 1  # the largest integer that a database can store
Id = Annotated[int, Meta(ge=1, le=_BIGGEST)]
Integer = Annotated[int, Meta(ge=-_BIGGEST, le=_BIGGEST)]
Real = Annotated[float, Meta(ge=-_BIGGEST, le=_BIGGEST)]


class Contact(Struct, frozen=True):
    """A person shown with a course, by default an editing teacher."""

    id: Id
    fullname: str


class Course(Struct, frozen=True):
    """A course, as the service account sees it.

    ``visible``, ``idnumber``, ``startdate``, ``enddate`` and ``timemodified`` are None where Moodle leaves them out: in
    search results, and for an account that may not update the course. Times are Unix timestamps; 0 means none. In the
    list of a person's courses, ``category_name`` is "" and ``contacts`` is empty.
    """

    id: Id
    shortname: str
    fullname: str
    category_id: Integer = field(name="categoryid")
    category_name: str = field(name="categoryname", default="")
    visible: bool | None = None
    idnumber: str | None = None
    startdate: Integer | None = None
    enddate: Integer | None = None
    timemodified: Integer | None = None
    contacts: tuple[Contact, ...] = ()


class Category(Struct, frozen=True):
    """A course category. At the top, ``parent`` is 0 and ``depth`` is 1. ``path`` is like "/1/5".

    Without the capability ``moodle/category:manage`` Moodle leaves out two fields: then ``visible`` is None and
    ``idnumber`` is "".
    """

    id: Id
    name: str
    parent: Integer
    depth: Integer
    path: str
    sortorder: Integer
    coursecount: Integer
    visible: bool | None = None
    idnumber: str = ""


class ActivityDate(Struct, frozen=True):
    """A date as Moodle shows it with an activity, with a label such as "Due:"."""

    label: str
    timestamp: Integer


class Activity(Struct, frozen=True):
    """An activity or a resource of a course.

    ``id`` is the id of the course module, ``modname`` its type, for example "quiz".
    """

    id: Id
    name: str
    modname: str
    visible: bool = True
    dates: tuple[ActivityDate, ...] = ()


class Section(Struct, frozen=True, kw_only=True):
    """A section of a course. ``number`` is its position; 0 is the general section.

    ``component``: "" for an ordinary section, otherwise the plugin whose activity has the section, such as
    ``mod_subsection``. The number of a section with a component must not be compared, because Moodle gives it another
    number in a copy (measured).
    """

    id: Id
    number: Integer = field(name="section", default=0)
    name: str
    modules: tuple[Activity, ...]
    component: str = ""


class Contents(Struct, frozen=True):
    """The sections of a course, as the service account sees them.

    ``left_out`` counts the sections and activities that could not be read.
    """

    sections: tuple[Section, ...]
    left_out: int = 0

    @property
    def section_count(self) -> int:
        """The number of sections."""
        return len(self.sections)

    @property
    def activities(self) -> int:
        """The number of activities and resources."""
        return sum(len(section.modules) for section in self.sections)


class SiteInfo(Struct, frozen=True):
    """The site, the service account, and the functions that its token may call.

    ``release`` is for display ("4.5.6 (Build: 20250811)"), ``version`` for comparisons ("2024100706"). If one value of
    the site info is invalid, for example the URL of the account's picture, Moodle answers with an error instead. Then
    dupdash uses UNKNOWN_SITE: all strings are "", and ``functions`` is None.
    """

    siteurl: str
    sitename: str = ""
    release: str = ""
    version: str = ""
    username: str = ""
    is_site_admin: bool = field(name="userissiteadmin", default=False)
    functions: frozenset[str] | None = None

    def offers(self, *functions: str) -> bool:
        """Return whether the token is known to be allowed to call all of these functions."""
        return self.functions is not None and self.functions.issuperset(functions)

    def lacks(self, function: str) -> bool:
        """Return whether the token is known not to be allowed to call this function."""
        return self.functions is not None and function not in self.functions


UNKNOWN_SITE = SiteInfo(siteurl="")


class User(Struct, frozen=True, kw_only=True):
    """A person in Moodle. ``email`` is "" where Moodle hides it."""

    id: Id
    username: str = ""
    email: str = ""
    fullname: str


class Participant(Struct, frozen=True):
    """A person enrolled in a course. ``last_access``: when they last opened it, as a Unix timestamp; 0 means never."""

    id: Id
    last_access: Integer = field(name="lastcourseaccess", default=0)


class Duplicated(Struct, frozen=True):
    """A finished copy, as named in Moodle's answer to the request."""

    id: Id
    shortname: str


class CourseWarning(Struct, frozen=True):
    """Moodle's reason for not changing or not deleting a course."""

    warningcode: str
    message: str = ""


# Moodle's numbers for the phases of a copy, and its status codes (backup::STATUS_*).
BACKUP_PHASE, RESTORE_PHASE = 1, 2
AWAITING, EXECUTING, FINISHED_ERR, FINISHED_OK = 700, 800, 900, 1000


class AsyncStatus(Struct, frozen=True):
    """The status of a duplication, as the proposed functions return it.

    ``phase`` and ``status`` are Moodle's numbers. ``progress``: from 0 to 1, of the whole copy (plugin) or the phase.
    ``ahead``: how many entries are before the duplication in the site's queue; None if the service does not say.
    """

    phase: Integer
    status: Integer
    progress: Real
    ahead: Integer | None = None


class CronTimes(Struct, frozen=True):
    """When Moodle's cron last started (0 for never), and what time it is on Moodle's server, as Unix timestamps."""

    lastrun: Integer
    now: Integer


class AsyncStatuses(Struct, frozen=True):
    """The status of many duplications, by id.

    Ids that the site does not know are missing. ``cron``: None if the site does not report it.
    """

    by_id: dict[str, AsyncStatus]
    cron: CronTimes | None = None

    @property
    def cron_idle_for(self) -> float | None:
        """The seconds since Moodle's cron last started; infinite if it never did, None if unknown."""
        if self.cron is None:
            return None
        return float(max(0, self.cron.now - self.cron.lastrun)) if self.cron.lastrun else math.inf


class CopiedActivity(Struct, frozen=True):
    """The old and new ids of an activity: those of its course module, and those of its instance."""

    modname: str
    oldcmid: Integer
    newcmid: Integer
    oldinstance: Integer
    newinstance: Integer


class MissingKind(Struct, frozen=True):
    """A kind of content of which the source has more than the copy."""

    kind: str
    name: str
    source: Integer
    copy: Integer


class LinkToSource(Struct, frozen=True):
    """A part of the copy that still links to the source."""

    kind: str
    cmid: Integer
    modname: str
    name: str
    where: str
    url: str


class CopyReport(Struct, frozen=True):
    """The report of the plugin on a complete copy."""

    sourcecourseid: Id
    courseid: Id
    activities: tuple[CopiedActivity, ...]
    missing: tuple[MissingKind, ...]
    pointing: tuple[LinkToSource, ...]


class AsyncResult(Struct, frozen=True):
    """The result of a duplication. Only the Moodle plugin returns it, and a dupdash at ASYNC_URL.

    ``state`` is the site's name of the state, ``shortname`` the short name of the copy. ``failurecode`` and
    ``failuremessage`` are "" if the duplication did not fail.
    """

    state: str
    shortname: str
    failurecode: str = ""
    failuremessage: str = ""
    # The new course, if it is complete; the incomplete one that a failure left.
    courseid: Id | None = None
    partialcourseid: Id | None = None
    report: CopyReport | None = None
