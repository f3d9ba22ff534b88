"""Configures gunicorn for the web process: ``gunicorn --config deploy/gunicorn.conf.py dupdash.wsgi``.

Options on gunicorn's command line override these values: ``--bind``, ``--workers``, ``--threads`` …
"""

import gc
from typing import Any

# Load dupdash once, before the workers are forked. An invalid setting then stops gunicorn with one message; otherwise
# gunicorn would restart the failing workers again and again.
preload_app = True

# Only for a proxy on the same host (deploy/nginx.conf).
bind = "127.0.0.1:8000"

# Requests are short and mostly wait for the database or for Moodle. Copies are made by the workers.
workers = 2
threads = 8

# Longer than the longest read from Moodle (MOODLE_READ_TIMEOUT).
timeout = 60

# Restart each worker after about this many requests, at different times.
max_requests = 5000
max_requests_jitter = 500

# Log paths without query strings, because Moodle's protocol allows a token there. Nothing is logged unless
# --access-logfile names a file.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s" %(s)s %(B)s %(L)s'

# gunicorn's control socket is not used, and the service user may not have the home directory that it needs.
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Load the pages, record changed settings of policy in the audit log, and share the memory of the loaded program.

    The workers are forked after this. The garbage collector skips what was loaded before, so that the memory stays
    shared.
    """
    from django.db import connections
    from django.urls import get_resolver

    from dupdash.accounts.audited_settings import record_at_start

    get_resolver().url_patterns  # noqa: B018 - reading the attribute imports the views
    record_at_start()
    # Two processes must not use one connection.
    connections.close_all()
    gc.collect()
    gc.freeze()
