"""The form that searches and filters the audit log."""

from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict

from dupdash.accounts.models import AuditEntry, AuditKind
from dupdash.web.date_fields import DayField, end_of, start_of

SEARCH_LONGEST = 200


class AuditForm(forms.Form):
    q = forms.CharField(
        label="Search",
        required=False,
        max_length=SEARCH_LONGEST,
        widget=forms.TextInput(attrs={"type": "search", "dir": "auto", "placeholder": "Person, token, course"}),
    )
    kind = forms.ChoiceField(label="What", required=False, choices=[("", "Everything"), *AuditKind.choices])
    since = DayField("From")
    until = DayField("Until")

    def found(self) -> QuerySet[AuditEntry]:
        """Return the matching entries, newest first, or none if a filter has an error."""
        if not self.is_valid():
            return AuditEntry.objects.none()
        given = self.cleaned_data
        entries = AuditEntry.objects.order_by("-id")
        for word in given["q"].split():
            columns = ("actor", "subject", "detail", "address")
            entries = entries.filter(Q(*((f"{column}__icontains", word) for column in columns), _connector=Q.OR))
        if given["kind"]:
            entries = entries.filter(kind=given["kind"])
        if given["since"]:
            entries = entries.filter(at__gte=start_of(given["since"]))
        if given["until"]:
            entries = entries.filter(at__lt=end_of(given["until"]))
        return entries

    def query(self, **more: str) -> str:
        """Return the filters as the query string of a URL. ``more``: further parameters."""
        query = QueryDict(mutable=True)
        for name in self.fields:
            if value := self.data.get(name):
                query[name] = value
        query.update(more)
        return f"?{query.urlencode()}" if query else ""
