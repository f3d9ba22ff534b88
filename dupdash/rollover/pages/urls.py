"""The URLs of plans and batches. ``web/permissions.py`` says for each URL name who may open it."""

from django.urls import URLPattern, path, register_converter

from dupdash.rollover.pages import batch, courses, plan, plans, rows, undo
from dupdash.web.converters import JobId

# Ids of plans and batches have the same form as ids of jobs.
register_converter(JobId, "hex_id")

app_name = "rollover"
urlpatterns: list[URLPattern] = [
    path("", plans.overview, name="list"),
    path("new/", plans.upload, name="upload"),
    path("from-moodle/", courses.from_moodle, name="from_moodle"),
    path("example.csv", plans.example, name="example"),
    path("<hex_id:plan_id>/", plan.plan, name="plan"),
    path("<hex_id:plan_id>/progress/", plan.progress, name="progress"),
    path("<hex_id:plan_id>/list.csv", plan.export, name="export"),
    path("<hex_id:plan_id>/check/", plan.check_again, name="check"),
    path("<hex_id:plan_id>/start/", plan.start, name="start"),
    path("<hex_id:plan_id>/discard/", plan.discard, name="discard"),
    path("<hex_id:plan_id>/include/", rows.include, name="include"),
    path("<hex_id:plan_id>/rows/<int:number>/", rows.row, name="row"),
    path("batches/<hex_id:batch_id>/", batch.batch, name="batch"),
    path("batches/<hex_id:batch_id>/live/", batch.live, name="live"),
    path("batches/<hex_id:batch_id>/results.csv", batch.results, name="results"),
    path("batches/<hex_id:batch_id>/pause/", batch.pause, name="pause"),
    path("batches/<hex_id:batch_id>/resume/", batch.resume, name="resume"),
    path("batches/<hex_id:batch_id>/settings/", batch.change, name="change"),
    path("batches/<hex_id:batch_id>/cancel/", batch.cancel, name="cancel"),
    path("batches/<hex_id:batch_id>/retry/", batch.retry, name="retry"),
    path("batches/<hex_id:batch_id>/undo/", undo.begin, name="begin_undo"),
    path("batches/<hex_id:batch_id>/undo/<hex_id:undo_id>/", undo.undo, name="undo"),
    path("batches/<hex_id:batch_id>/undo/<hex_id:undo_id>/progress/", undo.undo_progress, name="undo_progress"),
    path("batches/<hex_id:batch_id>/undo/<hex_id:undo_id>/confirm/", undo.confirm_undo, name="confirm_undo"),
]
