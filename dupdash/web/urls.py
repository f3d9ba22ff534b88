"""The URLs of the dashboard. ``permissions.py`` says for each URL name who may open it."""

from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, include, path, register_converter

from dupdash.web.converters import JobId
from dupdash.web.decorators import private_path
from dupdash.web.views import (
    approvals,
    audit,
    bulk_actions,
    callbacks,
    follow_up,
    insights,
    job,
    job_actions,
    jobs,
    overview,
    password_reset,
    preferences,
    presets,
    request,
    request_parts,
    saved_filters,
    sign_in,
    system,
    tokens,
)

register_converter(JobId, "job_id")

job_urls: list[URLPattern] = [
    private_path("", jobs.jobs, name="list"),
    private_path("find/", jobs.find_copy, name="find"),
    private_path("rows/", jobs.job_rows, name="rows"),
    private_path("filters/", saved_filters.save_filter, name="save_filter"),
    private_path("filters/<int:filter_id>/delete/", saved_filters.delete_filter, name="delete_filter"),
    private_path("copies.csv", jobs.jobs_csv, name="csv"),
    private_path("bulk/", bulk_actions.bulk_action, name="bulk_action"),
    private_path("bulk/result/", bulk_actions.bulk_result, name="bulk_result"),
    private_path("new/", request.request_copy, name="request"),
    private_path("new/source-choices/", request_parts.source_choices, name="source_choices"),
    private_path("new/category-choices/", request_parts.category_choices, name="category_choices"),
    private_path("new/check-short-name/", request_parts.short_name_check, name="check_short_name"),
    private_path("new/preview/", request_parts.copy_preview, name="preview"),
    private_path("<job_id:job_id>/", job.job, name="job"),
    private_path("<job_id:job_id>/status/", job.job_status, name="status"),
    private_path("<job_id:job_id>/summary.txt", job.job_summary, name="summary"),
    private_path("<job_id:job_id>/moodle-check/", approvals.moodle_check, name="moodle_check"),
    private_path("<job_id:job_id>/edit/", approvals.edit, name="edit"),
    private_path("<job_id:job_id>/follow-up/", follow_up.follow_up_job, name="follow_up"),
    private_path("<job_id:job_id>/undo-approval/", job_actions.undo_approval, name="undo_approval"),
    private_path("<job_id:job_id>/approve/", job_actions.approve, name="approve"),
    private_path("<job_id:job_id>/refuse/", job_actions.reject, name="reject"),
    private_path("<job_id:job_id>/cancel/", job_actions.cancel, name="cancel"),
    private_path("<job_id:job_id>/retry/", job_actions.retry, name="retry"),
    private_path("<job_id:job_id>/delete-partial-course/", job_actions.delete_partial, name="delete_partial"),
    private_path("<job_id:job_id>/callbacks/send-again/", callbacks.send_again, name="send_callback_again"),
    private_path("<job_id:job_id>/settle/", job_actions.settle, name="settle"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    private_path("", overview.overview, name="overview"),
    private_path("live/", overview.overview_live, name="overview_live"),
    path("jobs/", include((job_urls, "jobs"))),
    private_path("approvals/", approvals.approvals, name="approvals"),
    private_path("approvals/decide/", approvals.approvals_decide, name="approvals_decide"),
    private_path("approvals/undo/", approvals.undo_approvals, name="undo_approvals"),
    private_path("presets/", presets.presets, name="presets"),
    private_path("presets/<int:preset_id>/", presets.edit_preset, name="edit_preset"),
    private_path("presets/<int:preset_id>/delete/", presets.delete_preset, name="delete_preset"),
    private_path("insights/", insights.insights, name="insights"),
    private_path("insights/<slug:chart_id>.csv", insights.insights_csv, name="insights_csv"),
    private_path("system/", system.system, name="system"),
    private_path("tokens/", tokens.own_tokens, name="tokens"),
    private_path("documentation/web-services.txt", tokens.documentation, name="web_services_documentation"),
    private_path("tokens/<int:token_id>/revoke/", tokens.revoke_token, name="revoke_token"),
    private_path("tokens/<int:token_id>/callback/", callbacks.token_callback, name="token_callback"),
    private_path("audit/", audit.audit, name="audit"),
    private_path("audit/audit.csv", audit.audit_csv, name="audit_csv"),
    private_path("preferences/", preferences.preferences, name="preferences"),
    private_path("news/", preferences.news, name="news"),
    path("sign-in/", sign_in.SignIn.as_view(), name="login"),
    path("sign-in/forgotten/", password_reset.Request.as_view(), name="password_reset"),
    path("sign-in/forgotten/sent/", auth.PasswordResetDoneView.as_view(), name="password_reset_done"),
    path("sign-in/reset/<uidb64>/<token>/", password_reset.Confirm.as_view(), name="password_reset_confirm"),
    path("sign-in/reset/done/", auth.PasswordResetCompleteView.as_view(), name="password_reset_complete"),
    path("sign-out/", sign_in.SignOut.as_view(), name="logout"),
]
