"""How the web process is served: ``gunicorn --config deploy/gunicorn.conf.py dupdash.wsgi``.

Every value has a counterpart on gunicorn's command line, which wins: ``--bind``, ``--workers``, ``--threads`` …
"""

# Loaded once, before the workers are forked: a setting that cannot be used ends the start with one line, where
# gunicorn would otherwise start such a worker again and again.
preload_app = True

# For a proxy on the same machine (deploy/nginx.conf).
bind = "127.0.0.1:8000"

# Pages are short and mostly wait for the database or for Moodle. Nothing that takes long is done here.
workers = 2
threads = 8

# Longer than the longest look at Moodle (MOODLE_READ_TIMEOUT).
timeout = 60

# Workers are renewed now and then, not all at once.
max_requests = 5000
max_requests_jitter = 500

# Addresses without what follows the question mark: Moodle's protocol allows a token there. Nothing is logged
# unless --access-logfile says where to.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s" %(s)s %(B)s %(L)s'

# A second way in that nobody here uses, in a home directory that a service may not have.
control_socket_disable = True
