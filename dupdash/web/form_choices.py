"""Loads the courses and categories that the request form offers. The form works without an answer of Moodle."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.contrib.auth.models import User

from dupdash.accounts import access
from dupdash.accounts.access import NotAllowed
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.moodle_clients import open_client
from dupdash.duplication.request import as_id
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import ConfigurationFault, MoodleError
from dupdash.web import category_picker, course_picker
from dupdash.web.category_picker import CategoryChoices
from dupdash.web.course_picker import Choice, Found
from dupdash.web.forms.request import RequestForm
from dupdash.web.presentation.outcome import Callout


@dataclass
class FormChoices:
    categories: CategoryChoices = field(default_factory=CategoryChoices)
    found: Found = field(default_factory=Found)
    # Why courses or categories are missing.
    problem: Callout | None = None


def form_choices(form: RequestForm, before: DuplicationJob | None, user: User) -> FormChoices:
    """Return the courses and categories for the form, or the reason why some are missing.

    ``before``: the job that the form repeats. A chosen course is included even if Moodle does not answer.
    """
    choices = FormChoices()
    source = form.value("source")
    with problems_shown(choices, user), open_client() as client:
        choices.found = Found(chosen=_known_without_moodle(source, before, user, client.site_url))
        choices.categories = categories_of(form, user, client)
        choices.found = course_picker.search_sources(form.value("source_query"), source, user, client)
    return choices


def categories_of(form: RequestForm, user: User, client: MoodleClient) -> CategoryChoices:
    """Return the categories that match the filter in the form, or the tree without a filter. Raises MoodleError."""
    known = category_picker.categories(client)
    query, selected = form.value("category_query"), as_id(form.value("category"))
    return category_picker.category_choices(known, user, query=query, selected=selected)


def _known_without_moodle(source: str, before: DuplicationJob | None, user: User, site_url: str) -> Choice | None:
    if before is not None and source == str(before.source_id):
        id_line = f"id {before.source_id}"
        return Choice(before.source_id, before.source_fullname, before.source_shortname, id_line)
    return course_picker.remembered_choice(source, user, site_url)


@contextmanager
def problems_shown(choices: FormChoices, user: User) -> Iterator[None]:
    """Store a MoodleError or NotAllowed that the ``with`` block raises as ``choices.problem``, which the form shows.

    The page then lacks the choices that the block did not load.
    """
    try:
        yield
    except NotAllowed as refusal:
        choices.found = Found()
        choices.problem = Callout("warning", "Your courses cannot be found in Moodle.", str(refusal))
    except ConfigurationFault as fault:
        choices.problem = Callout(
            "danger",
            "You cannot request copies at the moment.",
            fault.message if access.is_administrator(user) else "The connection to Moodle does not work.",
            fault.advice if access.is_administrator(user) else "Tell a course administrator, and try again later.",
        )
    except MoodleError as error:
        choices.problem = Callout(
            "warning",
            "Moodle did not answer.",
            f"{error} Courses and categories may be missing below. Your input is kept.",
            "Try again in a moment.",
        )
