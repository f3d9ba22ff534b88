"""The URL for Prometheus. ``views.probe_middleware`` answers the URLs of health probes."""

from django.urls import path

from dupdash.operations import views

urlpatterns = [
    path("metrics", views.metrics_page, name="metrics"),
]
