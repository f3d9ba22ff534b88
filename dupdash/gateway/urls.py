"""The URL of the web services. Moodle uses the same path, so clients only change the host.

The middleware of this package answers the calls. This pattern only gives the path a name.
"""

from django.urls import path

from dupdash.gateway.views import server

urlpatterns = [path("webservice/rest/server.php", server, name="webservice")]
