"""Explains why an action failed, without details that this person may not see."""

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dupdash.accounts import access
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import course_url
from dupdash.duplication.name_display import isolate
from dupdash.duplication.request import RESERVED_BY, Problem
from dupdash.moodle.errors import ConfigurationFault, MoodleError
from dupdash.web.presentation.job_rows import requester_of


def words_of_problems(problems: Iterable[Problem], user: User) -> SafeString:
    return format_html_join(" ", "{}", ((words_of_problem(problem, user),) for problem in problems))


def words_of_problem(problem: Problem, user: User) -> str | SafeString:
    """Return the message of a problem. If a short name is taken, it has a link to the job or course with this name.

    The link is left out if this person may not see that job or course.
    """
    job = job_in_the_way(problem, user)
    if job is not None:
        return held_by(problem.message, job)
    if problem.course is not None and access.sees_all_jobs(user):
        link = format_html('<a href="{}">“<bdi>{}</bdi>”</a>', course_url(problem.course.id), problem.course.fullname)
        return format_html("{} It is {} (id {}).", problem.message, link, problem.course.id)
    return problem.text(in_full=problem.job is None and access.sees_all_jobs(user))


def job_in_the_way(problem: Problem, user: User) -> DuplicationJob | None:
    """Return the unfinished job that reserves the short name; None if there is none or this person may not see it."""
    return problem.job if problem.job is not None and access.may_see(user, problem.job) else None


def held_by(message: str, job: DuplicationJob) -> SafeString:
    """Return the message with a link to the job that reserves the short name. The reader must be allowed to see it."""
    link = format_html('<a href="{}">“<bdi>{}</bdi>”</a>', reverse("jobs:job", args=[job.pk]), job.fullname)
    return format_html(RESERVED_BY, message, link, isolate(requester_of(job)))


def words_of_error(error: MoodleError, user: User) -> str:
    """Return the message of an error. Only administrators get the details of a misconfigured connection to Moodle."""
    if isinstance(error, ConfigurationFault) and not access.is_administrator(user):
        return "The connection to Moodle does not work. Tell a course administrator."
    return str(error)
