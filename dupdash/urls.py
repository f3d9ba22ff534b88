"""The URLs of dupdash: pages, web services, health and metrics, and Django's admin.

Pages are in ``web`` and ``rollover``, web services in ``gateway``, health and metrics in ``operations``.
"""

from django.apps import apps
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

admin.site.site_header = admin.site.site_title = "dupdash administration"
admin.site.index_title = "People and data"

urlpatterns = [
    path("", include("dupdash.gateway.urls")),
    path("", include("dupdash.operations.urls")),
    # One sign-in page, so that its limits and methods hold for the admin, too.
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    path("admin/", admin.site.urls),
    path("rollover/", include("dupdash.rollover.pages.urls")),
    path("", include("dupdash.web.urls")),
]
handler500 = "dupdash.web.views.server_errors.server_error"
if apps.is_installed("allauth"):
    urlpatterns.append(path("", include("dupdash.web.single_sign_on_urls")))
