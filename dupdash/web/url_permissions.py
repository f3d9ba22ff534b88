"""The table of permissions: who may open which URL. ``private_path`` in ``decorators.py`` uses it.

``accounts/access.py`` decides about people and jobs. Nobody may open a private URL that is missing here. The URLs of
the sign-in and of the password reset are not private.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User

from dupdash.accounts import access
from dupdash.accounts.access import Action


def signed_in(user: User | AnonymousUser) -> bool:
    return user.is_authenticated


@dataclass(frozen=True)
class Permission:
    """A permission: who may open a URL (``may``), and for a URL that changes a job, the action (``verb``).

    Others get a 403. A job that the person may not see is always a 404; an action that the person may not do is a 403.

    ``background``: pages poll the URL by themselves. After the session has ended, they get 204 instead of a redirect,
    so that a half-filled form is not lost. ``within_form``: the same for parts of a form; the page also says that the
    session has ended. ``keeps_form``: the input is kept until the person has signed in again. ``hidden``: people
    without permission get a 404, as if there were no such page.
    """

    may: Callable[[User | AnonymousUser], bool]
    verb: Action | None = None
    background: bool = False
    within_form: bool = False
    keeps_form: bool = False
    hidden: bool = False


PERMISSIONS: dict[str, Permission] = {
    "overview": Permission(access.has_role),
    "overview_live": Permission(access.has_role),
    "insights": Permission(access.sees_all_jobs),
    "insights_csv": Permission(access.sees_all_jobs),
    "jobs:list": Permission(access.has_role),
    "jobs:find": Permission(access.has_role),
    "jobs:rows": Permission(access.has_role),
    "jobs:csv": Permission(access.has_role),
    "jobs:save_filter": Permission(access.has_role),
    "jobs:delete_filter": Permission(access.has_role),
    "jobs:bulk_action": Permission(access.has_role),
    "jobs:bulk_result": Permission(access.has_role),
    "jobs:request": Permission(access.may_submit, keeps_form=True),
    "jobs:source_choices": Permission(access.may_submit, within_form=True),
    "jobs:category_choices": Permission(access.may_submit, within_form=True),
    "jobs:check_short_name": Permission(access.may_submit, within_form=True),
    "jobs:preview": Permission(access.may_submit, within_form=True),
    "jobs:job": Permission(signed_in),
    "jobs:status": Permission(signed_in),
    "jobs:approve": Permission(signed_in, Action.APPROVE),
    "jobs:reject": Permission(signed_in, Action.REJECT),
    "jobs:cancel": Permission(signed_in, Action.CANCEL),
    "jobs:retry": Permission(signed_in, Action.RETRY),
    "jobs:delete_partial": Permission(signed_in, Action.DELETE_PARTIAL),
    "jobs:settle": Permission(signed_in, Action.SETTLE),
    "jobs:moodle_check": Permission(signed_in, Action.APPROVE),
    "jobs:edit": Permission(signed_in, Action.APPROVE, keeps_form=True),
    "jobs:summary": Permission(signed_in),
    "jobs:send_callback_again": Permission(signed_in),
    "jobs:follow_up": Permission(signed_in, Action.FOLLOW_UP),
    "jobs:undo_approval": Permission(signed_in, Action.APPROVE),
    "approvals": Permission(access.is_administrator),
    "approvals_decide": Permission(access.is_administrator),
    "undo_approvals": Permission(access.is_administrator),
    "presets": Permission(access.is_administrator),
    "edit_preset": Permission(access.is_administrator),
    "delete_preset": Permission(access.is_administrator),
    "audit": Permission(access.is_administrator, hidden=True),
    "audit_csv": Permission(access.is_administrator, hidden=True),
    "preferences": Permission(signed_in),
    "news": Permission(signed_in, background=True),
    "system": Permission(access.is_administrator),
    "rollover:list": Permission(access.sees_all_jobs),
    "rollover:upload": Permission(access.may_roll_over),
    "rollover:from_moodle": Permission(access.may_roll_over),
    "rollover:example": Permission(access.may_roll_over),
    "rollover:plan": Permission(access.may_roll_over),
    "rollover:progress": Permission(access.may_roll_over),
    "rollover:export": Permission(access.may_roll_over),
    "rollover:check": Permission(access.may_roll_over),
    "rollover:start": Permission(access.may_roll_over),
    "rollover:discard": Permission(access.may_roll_over),
    "rollover:include": Permission(access.may_roll_over),
    "rollover:row": Permission(access.may_roll_over),
    # A batch of somebody else is a 404 for people who do not see all jobs.
    "rollover:batch": Permission(access.has_role),
    "rollover:live": Permission(access.has_role),
    "rollover:results": Permission(access.has_role),
    "rollover:pause": Permission(access.has_role),
    "rollover:resume": Permission(access.has_role),
    "rollover:change": Permission(access.has_role),
    "rollover:cancel": Permission(access.has_role),
    "rollover:retry": Permission(access.has_role),
    "rollover:begin_undo": Permission(access.has_role),
    "rollover:undo": Permission(access.has_role),
    "rollover:undo_progress": Permission(access.has_role),
    "rollover:confirm_undo": Permission(access.has_role),
    "tokens": Permission(access.has_role),
    "revoke_token": Permission(access.has_role),
    "token_callback": Permission(access.has_role),
    "web_services_documentation": Permission(access.has_role),
}
