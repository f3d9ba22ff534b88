"""The form of the card "Follow-up" on the job page of a failed job: the responsible person and a note."""

from typing import Any

from django import forms
from django.contrib.auth.models import User

from dupdash.accounts.role_members import possible_assignees
from dupdash.duplication.follow_up import NOTE_LONGEST
from dupdash.duplication.models import DuplicationJob
from dupdash.duplication.name_display import isolate
from dupdash.duplication.person_names import name_of
from dupdash.web.forms.field_choices import set_choices
from dupdash.web.forms.plain_select import PlainSelect


class FollowUpForm(forms.Form):
    assignee_id = forms.ChoiceField(label="Assigned to", required=False, widget=PlainSelect)
    note = forms.CharField(
        label="Note",
        required=False,
        max_length=NOTE_LONGEST,
        help_text="For example: asked the teacher, waiting for an answer.",
        error_messages={"max_length": f"Use at most {NOTE_LONGEST} characters for the note."},
        widget=forms.TextInput(attrs={"dir": "auto", "autocomplete": "off"}),
    )

    def __init__(self, *arguments: Any, job: DuplicationJob, **more: Any) -> None:
        more.setdefault("initial", {"assignee_id": job.assignee_id or "", "note": job.assignee_note})
        more.setdefault("auto_id", "follow-up-%s")
        super().__init__(*arguments, **more)
        people = possible_assignees()
        if job.assignee is not None and job.assignee not in people:
            # A person who has left stays selectable until somebody else is assigned.
            people.append(job.assignee)
        self._people = {str(person.pk): person for person in people}
        named = [(key, isolate(name_of(person))) for key, person in self._people.items()]
        set_choices(self, "assignee_id", [("", "Nobody"), *named])

    @property
    def assignee(self) -> User | None:
        return self._people.get(self.cleaned_data["assignee_id"])
