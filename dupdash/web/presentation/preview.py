"""Previews a copy before it is requested: its contents, duration, start time and audience."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse

from dupdash.accounts import access
from dupdash.accounts.access import NotAllowed
from dupdash.duplication.course_dates import day_of
from dupdash.duplication.driver_choice import expected_driver
from dupdash.duplication.expectation import Expectation, expect, rough_expectation
from dupdash.duplication.models import DuplicationJob, MoodleHealth
from dupdash.duplication.person_names import COMMAND_LINE, name_of
from dupdash.duplication.quantities import counted
from dupdash.duplication.queue import lanes, worker_status
from dupdash.duplication.request import FRONT_PAGE
from dupdash.duplication.states import UNFINISHED, State
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.name_comparison import short_name_key
from dupdash.moodle.options import OptionEffect, effects, refusal
from dupdash.moodle.records import Course
from dupdash.web import category_picker
from dupdash.web.course_size import Size, size_of
from dupdash.web.earlier_copies import EarlierCopies, Target, earlier_copies
from dupdash.web.name_suggestions import Names, suggest
from dupdash.web.presentation.approval_time import decided_within
from dupdash.web.presentation.date_preview import DatePreview, date_preview
from dupdash.web.short_names import is_free

# The plural labels of common activity types. Other types are shown with Moodle's internal name.
KINDS = {
    "assign": "Assignments",
    "book": "Books",
    "choice": "Choices",
    "feedback": "Feedbacks",
    "folder": "Folders",
    "forum": "Forums",
    "glossary": "Glossaries",
    "h5pactivity": "H5P",
    "label": "Text areas",
    "lesson": "Lessons",
    "page": "Pages",
    "quiz": "Quizzes",
    "resource": "Files",
    "scorm": "SCORM packages",
    "url": "Links",
    "wiki": "Wikis",
    "workshop": "Workshops",
}

# This many taken short names are shown: the last of those that were tried.
TAKEN_MOST = 2


@dataclass(frozen=True)
class TakenName:
    """A taken short name, and the job that has it.

    If no job has it, or if the reader may not see the job, the fields of the job are empty.
    """

    shortname: str
    url: str = ""
    requester: str = ""
    requested_at: datetime | None = None


@dataclass(frozen=True)
class Preview:
    # None if Moodle cannot list the contents of the source.
    size: Size | None = None
    kinds: tuple[tuple[str, int], ...] = ()
    included: str = ""
    left_out: tuple[str, ...] = ()
    # Why the site cannot make a copy with these options.
    unsupported: str = ""
    expected: Expectation | None = None
    start: str = ""
    names: Names | None = None
    # The dates of the source; None if the source has no such date or Moodle does not return it.
    source_starts: date | None = None
    source_ends: date | None = None
    moved: DatePreview = field(default_factory=DatePreview)
    # A sentence about who will see the copy.
    visibility: str = ""
    earlier: EarlierCopies = field(default_factory=EarlierCopies)
    # The category and names of the copy, filled in by the person or suggested.
    category: str = ""
    target: Target = field(default_factory=lambda: Target(None))
    # Names that were not suggested because they are taken, with the reasons.
    taken: tuple[TakenName, ...] = ()
    course: Course | None = None
    # Why this person may not copy this course.
    refusal: str = ""
    # Why Moodle did not answer.
    trouble: str = ""

    @property
    def source_hidden(self) -> bool:
        """Whether students cannot see the source; False if this is unknown."""
        return self.course is not None and self.course.visible is False


def preview(
    source_id: int,
    chosen: Mapping[str, int],
    target: Target,
    user: User,
    client: MoodleClient,
    health: MoodleHealth,
) -> Preview:
    """Return the preview of a copy, with current data from Moodle.

    It contains only ``refusal`` if this person may not copy the course, and only ``trouble`` after a MoodleError.
    """
    try:
        access.require_teaching(user, source_id, client)
        course = client.course_by_id(source_id)
        if course is None or course.id == FRONT_PAGE:
            return Preview(refusal="This course does not exist in Moodle, or it cannot be copied.")
        size = size_of(source_id, client)
        names = suggest(course.fullname, course.shortname, lambda name: is_free(name, client))
        categories = category_picker.categories(client)
    except NotAllowed as not_allowed:
        return Preview(refusal=str(not_allowed))
    except MoodleError as error:
        return Preview(trouble=str(error))
    if target.category_id is None or target.category_is_suggested:
        suggested = category_picker.category_for_copy(course.category_id, names.years if names else 0, categories, user)
        target = replace(target, category_id=suggested, category_is_suggested=True)
    driver = expected_driver(health, visible=target.visible)
    resolved = effects(chosen, driver)
    activities = size.activities if size else None
    return Preview(
        size=size,
        kinds=tuple((KINDS.get(kind, kind), count) for kind, count in (size.kinds if size else ())),
        included=included(resolved, size),
        left_out=left_out(resolved, size),
        unsupported=refusal(chosen, driver),
        expected=expect(source_id, activities, chosen) or rough_expectation(activities),
        start=when_it_starts(source_id, user, health),
        names=names,
        source_starts=day_of(course.startdate),
        source_ends=day_of(course.enddate),
        moved=date_preview(course, size, target, driver, names.years if names else 0),
        visibility=who_will_see_it(
            course, target, category_hidden=category_picker.is_hidden(target.category_id, categories)
        ),
        category=category_picker.path_of(target.category_id, categories),
        target=target,
        taken=taken_names(names.taken, user) if names else (),
        course=course,
        earlier=earlier_copies(source_id, target, user),
    )


def taken_names(shortnames: Iterable[str], user: User) -> tuple[TakenName, ...]:
    """Return the last TAKEN_MOST of ``shortnames``, which are all taken, each with the job that has the name.

    The job reserves the name, or has made the course with this name. If there is no such job, or if this person may not
    see it, the fields of the job are empty.
    """
    found = []
    for shortname in list(shortnames)[-TAKEN_MOST:]:
        made = DuplicationJob.objects.filter(
            shortname_key=short_name_key(shortname), state__in=UNFINISHED | {State.SUCCEEDED}
        )
        job = made.select_related("requester").order_by("-created_at").first()
        if job is None or not access.may_see(user, job):
            found.append(TakenName(shortname))
        else:
            url, requester = reverse("jobs:job", args=[job.pk]), name_of(job.requester, COMMAND_LINE)
            found.append(TakenName(shortname, url, requester, job.created_at))
    return tuple(found)


def who_will_see_it(source: Course, target: Target, *, category_hidden: bool) -> str:
    if not target.visible:
        return "Students cannot see the copy until somebody shows it in Moodle."
    if category_hidden:
        return "Students cannot see the copy: its category is hidden, and so is every course in it."
    although = ", although they cannot see the source" if source.visible is False else ""
    return f"Students can see the copy{although}."


def included(options: Iterable[OptionEffect], size: Size | None) -> str:
    """Return sentences about what the copy contains. Every copy has the sections and the settings of the course."""
    words = [counted(len(size.sections), "section", "sections") if size else "all sections"]
    on = [one for one in options if one.value]
    if any(one.option.name == "activities" for one in on):
        what = "activities and resources"
        words.append(counted(size.activities, "activity or resource", what) if size else what)
    sentences = (one.effect.copy for one in on if one.effect.copy)
    return " ".join((f"The course’s settings in Moodle, {' and '.join(words)}.", *sentences))


def left_out(options: Iterable[OptionEffect], size: Size | None) -> tuple[str, ...]:
    """Return what the copy does not contain. Activities are mentioned only if the source has some."""
    return tuple(
        one.effect.copy
        for one in options
        if not one.value and one.effect.copy and (size is None or size.activities or one.option.name != "activities")
    )


def when_it_starts(source_id: int, user: User, health: MoodleHealth) -> str:
    """Return a sentence about when the copy would start if it were requested now."""
    if health.paused_at is not None:
        return (
            "Later: copying is paused, and resumes automatically when dupdash can use Moodle again. No request is lost."
        )
    if not worker_status.current().running:
        return (
            "Later: dupdash cannot start copies at the moment, because no worker is running. The course administrators "
            "can see this. You can request the copy now."
        )
    if access.needs_approval(user):
        waiting = DuplicationJob.objects.due().count()
        asked = DuplicationJob.objects.filter(state=State.AWAITING_APPROVAL).count()
        others = f" {counted(asked, 'other request waits', 'other requests wait')} for approval." if asked else ""
        queue = f" {counted(waiting, 'copy is', 'copies are')} queued." if waiting else ""
        return f"When a course administrator has approved it. {decided_within()}".rstrip() + others + queue
    if DuplicationJob.objects.blocking_source().filter(source_id=source_id).exists():
        return "After the copy of this course that is being made now."
    if ahead := lanes.ahead_of_new_request() + DuplicationJob.objects.dispatched().count():
        return f"After {counted(ahead, 'other copy', 'other copies')} in the queue."
    if DuplicationJob.objects.holding_slot().count() >= settings.MOODLE_CONCURRENCY:
        return "As soon as another copy is finished. Yours is next."
    return "Immediately."
