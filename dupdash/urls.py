"""All addresses. The site itself is in ``web``; other systems speak to ``gateway``."""

from django.apps import apps
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    # First, because it is asked most often by far, and all that stands before it is tried before it.
    path("", include("dupdash.gateway.urls")),
    path("", include("dupdash.operations.urls")),
    # One sign-in page, so that its limits and methods hold for the admin, too.
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    path("admin/", admin.site.urls),
    path("", include("dupdash.web.urls")),
]
if apps.is_installed("allauth"):
    urlpatterns.append(path("", include("dupdash.web.single_sign_on_urls")))
