"""The URL for Prometheus. ``views.health_check_middleware`` answers the health checks."""

from django.urls import path

from dupdash.operations import views

urlpatterns = [
    path("metrics", views.metrics_page, name="metrics"),
]
