"""The forms of the job actions that need input: refusing, choosing a candidate to delete, and settling."""

from typing import Any

from django import forms

from dupdash.duplication.candidates import deletable_candidates
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.name_display import quote_course
from dupdash.web.forms.field_choices import set_choices

NOT_MADE = "none"
ANOTHER = "another"


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label="Reason",
        help_text="The requester can read it.",
        error_messages={"required": "Enter a reason for the requester."},
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
    )


class DeleteCandidateForm(forms.Form):
    """Asks which of the courses that a failed job may have left is to be deleted."""

    course = forms.ChoiceField(
        label="Course to delete",
        widget=forms.RadioSelect,
        error_messages={"required": "Choose the course to delete."},
    )

    def __init__(self, *arguments: Any, job: DuplicationJob, **more: Any) -> None:
        super().__init__(*arguments, **more)
        courses = [
            (str(course["id"]), f"Course {course['id']}, “{course['fullname']}” ({course['shortname']})")
            for course in deletable_candidates(job)
        ]
        set_choices(self, "course", courses)


class SettleForm(forms.Form):
    """Asks an administrator which course in Moodle is the copy of an unresolved job, if any, and how they know."""

    course = forms.ChoiceField(
        label="Which course is the copy?",
        widget=forms.RadioSelect,
        error_messages={"required": "Select the course, or “No copy was made”."},
    )
    course_id = forms.IntegerField(
        required=False,
        min_value=2,
        label="Id of the other course",
        help_text="The number at the end of the course’s address in Moodle.",
    )
    reason = forms.CharField(
        label="Evidence",
        help_text="How you know this result. The activity of this job will show your text.",
        error_messages={"required": "Enter how you know this result."},
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
    )

    def __init__(self, *arguments: Any, job: DuplicationJob, **more: Any) -> None:
        super().__init__(*arguments, **more)
        courses = [
            (
                str(candidate["id"]),
                f"It is course {candidate['id']}, {quote_course(candidate['fullname'], candidate['shortname'])}",
            )
            for candidate in job.candidates
        ]
        if job.course_id and all(candidate["id"] != job.course_id for candidate in job.candidates):
            courses.insert(0, (str(job.course_id), f"It is course {job.course_id}, which dupdash knows as the copy"))
        set_choices(self, "course", [*courses, (ANOTHER, "It is another course"), (NOT_MADE, "No copy was made")])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("course") == ANOTHER and not cleaned.get("course_id") and "course_id" not in self.errors:
            self.add_error("course_id", "Enter the id of the course.")
        return cleaned

    @property
    def course_settled(self) -> int | None:
        """Return the id of the course that the administrator chose as the copy, or None for "No copy was made"."""
        chosen = self.cleaned_data["course"]
        if chosen == NOT_MADE:
            return None
        return int(self.cleaned_data["course_id"] if chosen == ANOTHER else chosen)
