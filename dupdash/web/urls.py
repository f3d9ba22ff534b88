"""The URLs of the dashboard. ``permissions.py`` says for each URL name who may open it."""

from django.urls import URLPattern, URLResolver, include, path, register_converter

from dupdash.web.converters import JobId
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
    path("", jobs.jobs, name="list"),
    path("find/", jobs.find_copy, name="find"),
    path("rows/", jobs.job_rows, name="rows"),
    path("filters/", saved_filters.save_filter, name="save_filter"),
    path("filters/<int:filter_id>/delete/", saved_filters.delete_filter, name="delete_filter"),
    path("copies.csv", jobs.jobs_csv, name="csv"),
    path("bulk/", bulk_actions.bulk_action, name="bulk_action"),
    path("bulk/result/", bulk_actions.bulk_result, name="bulk_result"),
    path("new/", request.request_copy, name="request"),
    path("new/source-choices/", request_parts.source_choices, name="source_choices"),
    path("new/category-choices/", request_parts.category_choices, name="category_choices"),
    path("new/check-short-name/", request_parts.short_name_check, name="check_short_name"),
    path("new/preview/", request_parts.copy_preview, name="preview"),
    path("<job_id:job_id>/", job.job, name="job"),
    path("<job_id:job_id>/status/", job.job_status, name="status"),
    path("<job_id:job_id>/summary.txt", job.job_summary, name="summary"),
    path("<job_id:job_id>/moodle-check/", approvals.moodle_check, name="moodle_check"),
    path("<job_id:job_id>/edit/", approvals.edit, name="edit"),
    path("<job_id:job_id>/follow-up/", follow_up.follow_up_job, name="follow_up"),
    path("<job_id:job_id>/undo-approval/", job_actions.undo_approval, name="undo_approval"),
    path("<job_id:job_id>/approve/", job_actions.approve, name="approve"),
    path("<job_id:job_id>/refuse/", job_actions.reject, name="reject"),
    path("<job_id:job_id>/cancel/", job_actions.cancel, name="cancel"),
    path("<job_id:job_id>/retry/", job_actions.retry, name="retry"),
    path("<job_id:job_id>/delete-partial-course/", job_actions.delete_partial, name="delete_partial"),
    path("<job_id:job_id>/callbacks/send-again/", callbacks.send_again, name="send_callback_again"),
    path("<job_id:job_id>/settle/", job_actions.settle, name="settle"),
]

news_urls: list[URLPattern] = [path("", preferences.news, name="news")]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", overview.overview, name="overview"),
    path("live/", overview.overview_live, name="overview_live"),
    path("jobs/", include((job_urls, "jobs"))),
    path("approvals/", approvals.approvals, name="approvals"),
    path("approvals/decide/", approvals.approvals_decide, name="approvals_decide"),
    path("approvals/undo/", approvals.undo_approvals, name="undo_approvals"),
    path("presets/", presets.presets, name="presets"),
    path("presets/<int:preset_id>/", presets.edit_preset, name="edit_preset"),
    path("presets/<int:preset_id>/delete/", presets.delete_preset, name="delete_preset"),
    path("insights/", insights.insights, name="insights"),
    path("insights/<slug:chart_id>.csv", insights.insights_csv, name="insights_csv"),
    path("system/", system.system, name="system"),
    path("tokens/", tokens.own_tokens, name="tokens"),
    path("documentation/web-services.txt", tokens.documentation, name="web_services_documentation"),
    path("tokens/<int:token_id>/revoke/", tokens.revoke_token, name="revoke_token"),
    path("tokens/<int:token_id>/callback/", callbacks.token_callback, name="token_callback"),
    path("audit/", audit.audit, name="audit"),
    path("audit/audit.csv", audit.audit_csv, name="audit_csv"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("news/", include((news_urls, "notifications"))),
    path("sign-in/", sign_in.SignIn.as_view(), name="login"),
    path("sign-in/forgotten/", password_reset.Request.as_view(), name="password_reset"),
    path("sign-in/forgotten/sent/", password_reset.Sent.as_view(), name="password_reset_done"),
    path("sign-in/reset/<uidb64>/<token>/", password_reset.Confirm.as_view(), name="password_reset_confirm"),
    path("sign-in/reset/done/", password_reset.Complete.as_view(), name="password_reset_complete"),
    path("sign-out/", sign_in.SignOut.as_view(), name="logout"),
]
