"""The URLs of plans and batches. ``web/url_permissions.py`` says for each URL name who may open it."""

from django.urls import URLPattern, register_converter

from dupdash.rollover.pages import batch, courses, plan, plans, rows, undo_batch
from dupdash.web.converters import JobId
from dupdash.web.decorators import private_path

# Ids of plans and batches have the same form as ids of jobs.
register_converter(JobId, "hex_id")

app_name = "rollover"
urlpatterns: list[URLPattern] = [
    private_path("", plans.overview, name="list"),
    private_path("new/", plans.upload, name="upload"),
    private_path("from-moodle/", courses.from_moodle, name="from_moodle"),
    private_path("example.csv", plans.example, name="example"),
    private_path("<hex_id:plan_id>/", plan.plan, name="plan"),
    private_path("<hex_id:plan_id>/progress/", plan.progress, name="progress"),
    private_path("<hex_id:plan_id>/list.csv", plan.export, name="export"),
    private_path("<hex_id:plan_id>/check/", plan.check_again, name="check"),
    private_path("<hex_id:plan_id>/start/", plan.start, name="start"),
    private_path("<hex_id:plan_id>/discard/", plan.discard, name="discard"),
    private_path("<hex_id:plan_id>/include/", rows.include, name="include"),
    private_path("<hex_id:plan_id>/rows/<int:number>/", rows.row, name="row"),
    private_path("batches/<hex_id:batch_id>/", batch.batch, name="batch"),
    private_path("batches/<hex_id:batch_id>/live/", batch.live, name="live"),
    private_path("batches/<hex_id:batch_id>/results.csv", batch.results, name="results"),
    private_path("batches/<hex_id:batch_id>/pause/", batch.pause, name="pause"),
    private_path("batches/<hex_id:batch_id>/resume/", batch.resume, name="resume"),
    private_path("batches/<hex_id:batch_id>/settings/", batch.change, name="change"),
    private_path("batches/<hex_id:batch_id>/cancel/", batch.cancel, name="cancel"),
    private_path("batches/<hex_id:batch_id>/retry/", batch.retry, name="retry"),
    private_path("batches/<hex_id:batch_id>/undo/", undo_batch.begin, name="begin_undo"),
    private_path("batches/<hex_id:batch_id>/undo/<hex_id:undo_id>/", undo_batch.undo, name="undo"),
    private_path(
        "batches/<hex_id:batch_id>/undo/<hex_id:undo_id>/progress/", undo_batch.progress, name="undo_progress"
    ),
    private_path("batches/<hex_id:batch_id>/undo/<hex_id:undo_id>/confirm/", undo_batch.confirm, name="confirm_undo"),
]
