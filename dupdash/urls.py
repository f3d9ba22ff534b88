"""All addresses. The site itself is in ``web``; other systems speak to ``gateway``."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    # First, because it is asked most often by far, and all that stands before it is tried before it.
    path("", include("dupdash.gateway.urls")),
    path("", include("dupdash.operations.urls")),
    path("admin/", admin.site.urls),
    path("", include("dupdash.web.urls")),
]
