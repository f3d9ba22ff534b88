"""The address for Prometheus. Probes are answered by ``views.probe_middleware``."""

from django.urls import path

from dupdash.operations import views

urlpatterns = [
    path("metrics", views.metrics_page, name="metrics"),
]
