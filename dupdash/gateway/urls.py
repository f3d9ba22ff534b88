"""Where Moodle has it, so that a Moodle client works by changing its address."""

from django.urls import path

from dupdash.gateway.views import server

urlpatterns = [path("webservice/rest/server.php", server, name="webservice")]
