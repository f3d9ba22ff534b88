"""The web process: ``gunicorn dupdash.wsgi``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dupdash.settings")
application = get_wsgi_application()
