"""Emails links to reset a password. A worker looks up the account, so the page does not reveal if one exists."""

from django.conf import settings
from django.contrib.auth.forms import PasswordResetForm

from dupdash.accounts.attempt_limits import RESET, admit
from dupdash.duplication.queue.dispatch import HOUSEKEEPING, enqueue


def request_reset(email: str, client: str) -> None:
    """Have a worker email a reset link to the accounts with this email address, unless too many emails were requested.

    ``client``: the network address of the person. The answer is the same for every email address, so that nobody learns
    which accounts exist.
    """
    if not admit(RESET, email, client).wait:
        enqueue(HOUSEKEEPING, "dupdash.accounts.password_reset.send_reset_mails", email)


def send_reset_mails(email: str) -> None:
    """Email a link to each active account with this email address and a password. Django logs an email that fails."""
    form = PasswordResetForm({"email": email})
    if form.is_valid():
        form.save(
            # The links use SITE_URL, never the Host header of a request.
            domain_override=settings.SITE_URL.partition("://")[2],
            subject_template_name="accounts/reset_mail_subject.txt",
            email_template_name="accounts/reset_mail.txt",
            extra_email_context={"site_url": settings.SITE_URL, "minutes": str(settings.PASSWORD_RESET_TIMEOUT // 60)},
        )
