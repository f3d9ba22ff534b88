"""The URL of the web services. It is the path that Moodle uses, so clients only change the host.

The middleware of this package answers it. The pattern gives the path its name.
"""

from django.urls import path

from dupdash.gateway.views import server

urlpatterns = [path("webservice/rest/server.php", server, name="webservice")]
