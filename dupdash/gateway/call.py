"""Defines the types for a web service function and for one call, and the format of warnings in an answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest

from dupdash.accounts.models import ApiToken
from dupdash.duplication.models import DuplicationJob
from dupdash.gateway.parameters import Parameter
from dupdash.row_reader import Columns


@dataclass(frozen=True)
class Call:
    """One call of a function. ``job`` is the job that the call names, or None if it was not read with the token."""

    token: ApiToken
    parameters: Mapping[str, Any]
    request: HttpRequest
    job: DuplicationJob | None = None

    @property
    def owner(self) -> User:
        """The owner of the token. The call has the permissions of this person."""
        return self.token.owner


@dataclass(frozen=True)
class Function:
    """A web service function. ``run`` returns the answer, or raises ServiceError."""

    parameters: Mapping[str, Parameter]
    run: Callable[[Call], object]
    # The columns of the job that are read together with the token: one query instead of two.
    job_columns: Columns[DuplicationJob] | None = None


def warning(item: str, itemid: int | None, code: str, message: str) -> dict[str, Any]:
    """Return a warning in the format of Moodle's ``external_warnings``."""
    return {"item": item, "itemid": itemid, "warningcode": code, "message": message}
