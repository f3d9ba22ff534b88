"""The settings of dupdash. Those that an installation may change come from the environment: see ``.env.example``."""

import os
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF

from dupdash.environment import Environment, is_safe_for_passwords, refuse

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(BASE_DIR)

# --- Django ---------------------------------------------------------------------------------------------

DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY")
if not SECRET_KEY:
    if not DEBUG:
        refuse(
            "SECRET_KEY",
            "is missing. Set it to a long random text, or set DEBUG=true on a machine that only you use",
        )
    SECRET_KEY = "only-for-a-machine-that-nobody-else-can-reach"  # noqa: S105
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_q",
    "csp",
    "dupdash.telemetry",
    "dupdash.accounts",
    "dupdash.duplication",
    "dupdash.notifications",
    "dupdash.web",
    "dupdash.callbacks",
    "dupdash.rollover",
    "dupdash.operations",
]
# The embedded Moodle for demonstrations and tests. Its tokens are public, so it must not be used in production.
if env.flag("SANDBOX", False):
    INSTALLED_APPS.append("dupdash.sandbox")

# The limit for calls of the web services (gateway/parameters.py). Django applies it to multipart forms.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
# Bytes of the body of a request, of form fields and of files.
UPLOAD_LIMIT = env.count("UPLOAD_LIMIT", 2_621_440, least=100_000, most=100_000_000)
DATA_UPLOAD_MAX_MEMORY_SIZE = UPLOAD_LIMIT

MIDDLEWARE = [
    # First, so that every log line of a request names it.
    "dupdash.telemetry.log_context.request_id_middleware",
    "dupdash.operations.views.health_check_middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "dupdash.accounts.audit.AuditMiddleware",
    "dupdash.gateway.middleware.gateway_middleware",
    # Around the session middleware, which deletes the cookie of an ended session.
    "dupdash.web.keep_session_cookie.session_cookie_middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    # Before the middleware that reads the form for its CSRF token.
    "dupdash.web.upload_limit.UploadLimitMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "dupdash.urls"
WSGI_APPLICATION = "dupdash.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dupdash.web.context.page",
            ],
            # Nearly every template shows names of courses.
            "builtins": ["dupdash.web.templatetags.name_display"],
        },
    },
]

# --- Database and cache ---------------------------------------------------------------------------------

DATABASE_URL = env.text("DATABASE_URL", f"sqlite:///{BASE_DIR / 'var' / 'dupdash.sqlite3'}")
try:
    _database = dj_database_url.parse(DATABASE_URL, conn_max_age=600, conn_health_checks=True)
except (ValueError, KeyError, dj_database_url.ParseError, dj_database_url.UnknownSchemeError):
    refuse("DATABASE_URL", "must look like sqlite:///var/dupdash.sqlite3 or postgres://user:password@host/name")
if _database["ENGINE"] == "django.db.backends.sqlite3":
    if _database["NAME"] == ":memory:":
        refuse("DATABASE_URL", "must name a file, because the web process and the workers share it")
    # A relative name is relative to this folder, independent of the current directory.
    _database["NAME"] = str(BASE_DIR / str(_database["NAME"]))
    _folder = Path(_database["NAME"]).parent
    if not _folder.is_dir():
        if _folder != BASE_DIR / "var":
            refuse("DATABASE_URL", f"the folder {_folder} does not exist. Create it, or name another")
        _folder.mkdir()
    # Measured with 8 pollers and 4 writers: with Django's defaults 50 of 799 transactions failed with "database is
    # locked", with WAL alone 69 of 796, with these three settings none of 791. FULL syncs each commit to the disk:
    # after a power failure dupdash must still know that a request was sent.
    _database["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    _database["CONN_MAX_AGE"] = None
elif _database["ENGINE"] == "django.db.backends.postgresql":
    _database["ENGINE"] = "dupdash.postgresql"
    # Timeouts for a server that does not answer at all. Without them a new connection takes minutes to fail, and an
    # open one waits for ever.
    # PostgreSQL compiles queries that it expects to be long (JIT). For dupdash's lists this takes 20 to 45 ms, longer
    # than the query itself. With the default work_mem of 4 MB the bitmap of a search becomes inexact: it names pages,
    # not rows, and PostgreSQL compares all texts in them. With a million jobs these were 70,950 texts; with 16 MB they
    # are 5,600.
    # Options in the URL take precedence: of two values PostgreSQL takes the later one.
    _given = _database.get("OPTIONS", {})
    _database["OPTIONS"] = {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
        **_given,
        "options": f"-c jit=off -c work_mem=16MB {_given.get('options', '')}".rstrip(),
    }
else:
    refuse("DATABASE_URL", "only SQLite and PostgreSQL are supported")
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.service_url("REDIS_URL", ("redis", "rediss", "unix"), "redis://127.0.0.1:6379/0")
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}
CACHES["unused"] = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}

# --- The Moodle -----------------------------------------------------------------------------------------

MOODLE_URL = env.moodle_url("MOODLE_URL")
MOODLE_TOKEN = env.text("MOODLE_TOKEN")
if MOODLE_URL and not MOODLE_TOKEN:
    refuse("MOODLE_TOKEN", "is missing: MOODLE_URL needs the token of a web service account")
if MOODLE_TOKEN and not MOODLE_URL:
    refuse("MOODLE_URL", "is missing: MOODLE_TOKEN needs the URL of the site it is for")
# Each copy needs a worker process that keeps one request open.
MOODLE_CONCURRENCY = env.count("MOODLE_CONCURRENCY", 4, most=64)
MOODLE_DRIVER = env.choice("MOODLE_DRIVER", "auto", ("auto", "synchronous", "asynchronous", "plugin"))
# Another server of the proposed web services, for example another dupdash, if the Moodle site does not have them.
ASYNC_URL = env.moodle_url("ASYNC_URL")
ASYNC_TOKEN = env.text("ASYNC_TOKEN")
if bool(ASYNC_URL) != bool(ASYNC_TOKEN):
    refuse("ASYNC_URL and ASYNC_TOKEN", "must both be set, or neither")
MOODLE_CONNECT_TIMEOUT = env.seconds("MOODLE_CONNECT_TIMEOUT", 5)
MOODLE_READ_TIMEOUT = env.seconds("MOODLE_READ_TIMEOUT", 20)
MOODLE_DUPLICATION_TIMEOUT = env.seconds("MOODLE_DUPLICATION_TIMEOUT", 2 * 3600)

# --- The engine's periods, all in seconds (scaled down by scripts/chaos) --------------------------------

# The shortest pause between two lookups of a running copy: before its course was seen under a temporary name, and after
# that. A copy that takes long is looked up less often.
WATCH_INTERVAL = env.seconds("WATCH_INTERVAL", 0.5)
FOLLOW_INTERVAL = env.seconds("FOLLOW_INTERVAL", 2)
# How often the asynchronous driver polls the status of its copies, with one call for all if the site offers that.
STATUS_INTERVAL = env.seconds("STATUS_INTERVAL", 1)
# The course of a sent job is overdue after three times the expected backup, but at least after COURSE_DUE_LEAST.
# Without history: after COURSE_DUE_PER_ACTIVITY for each activity, or COURSE_DUE_UNKNOWN if their number is not known.
# Then a lost answer no longer blocks its source, and the requested short name may be looked up, once in
# REQUESTED_NAME_PAUSE.
COURSE_DUE_LEAST = env.seconds("COURSE_DUE_LEAST", 60)
COURSE_DUE_PER_ACTIVITY = env.seconds("COURSE_DUE_PER_ACTIVITY", 1)
COURSE_DUE_UNKNOWN = env.seconds("COURSE_DUE_UNKNOWN", 10 * 60)
REQUESTED_NAME_PAUSE = env.seconds("REQUESTED_NAME_PAUSE", 60)
LEASE_SECONDS = env.seconds("LEASE_SECONDS", 30)
SWEEP_INTERVAL = env.seconds("SWEEP_INTERVAL", 5)
# A dispatched job that no worker claims is dispatched again after this time.
REDISPATCH_AFTER = env.seconds("REDISPATCH_AFTER", 30)
HEARTBEAT_INTERVAL = env.seconds("HEARTBEAT_INTERVAL", 5)
HEARTBEAT_LIMIT = env.seconds("HEARTBEAT_LIMIT", 40)
if HEARTBEAT_LIMIT < 3 * HEARTBEAT_INTERVAL:
    refuse(
        "HEARTBEAT_LIMIT",
        f"must be at least three times HEARTBEAT_INTERVAL, so {3 * HEARTBEAT_INTERVAL:g}: "
        "otherwise healthy clusters count as dead",
    )
# A cluster that ends at once is started again after a pause, which doubles up to RESTART_LONGEST.
RESTART_FIRST, RESTART_LONGEST = env.growing("RESTART_FIRST", "RESTART_LONGEST", (0.5, 15))
PROBE_INTERVAL = env.seconds("PROBE_INTERVAL", 30)
# After a lost answer Moodle is checked first after CHECK_FIRST, then at growing intervals up to CHECK_LONGEST.
CHECK_FIRST, CHECK_LONGEST = env.growing("CHECK_FIRST", "CHECK_LONGEST", (2, 60))
# The checking limit is three times the expected duration, but at least CHECK_LIMIT_LEAST; without history it is
# CHECK_LIMIT_UNKNOWN. A course counts as partial if it did not change for the expected duration, but at least for
# CHECK_STILL_LEAST. Of the time between two checks at most CHECK_LONGEST counts: in a longer pause this machine or the
# Moodle site may have stood still, and a healthy copy looks unchanged for a third of its duration.
CHECK_LIMIT_LEAST = env.seconds("CHECK_LIMIT_LEAST", 30 * 60)
CHECK_LIMIT_UNKNOWN = env.seconds("CHECK_LIMIT_UNKNOWN", 3 * 3600)
CHECK_STILL_LEAST = env.seconds("CHECK_STILL_LEAST", 5 * 60)
# A complete but hidden copy is watched for this long: for two seconds, the first row of a restore looks the same.
CHECK_SETTLED = env.seconds("CHECK_SETTLED", 60)
# Delete the hidden, empty course that an error of Moodle left under the requested names, and send the request again.
EMPTY_SHELL_CLEANUP = env.flag("EMPTY_SHELL_CLEANUP", True)
# The longest pause between two checks of an unresolved job.
UNRESOLVED_LONGEST = env.seconds("UNRESOLVED_LONGEST", 24 * 3600)
# Automatic retries if nothing can have started: first delay, longest delay, and the number of attempts.
RETRY_FIRST, RETRY_LONGEST = env.growing("RETRY_FIRST", "RETRY_LONGEST", (10, 30 * 60))
RETRY_ATTEMPTS = env.count("RETRY_ATTEMPTS", 9)

# --- django-q2 ------------------------------------------------------------------------------------------
# Messages carry only the ids of jobs. A job is claimed once even if its message is delivered twice, and the sweep
# dispatches it again if the message is lost. So these settings need not be safe, only fast: a task may run longer than
# any answer of Moodle takes (timeout), and is not delivered again before that (retry).

_longest_task = int(MOODLE_DUPLICATION_TIMEOUT) + 600
Q_CLUSTER = {
    "name": "dupdash-copies",
    "workers": MOODLE_CONCURRENCY,
    "timeout": _longest_task,
    "retry": _longest_task + 600,
    "max_attempts": 1,
    "ack_failures": True,
    "queue_limit": 1,
    "bulk": 1,
    "recycle": 100,
    "save_limit": -1,
    "catch_up": False,
    "scheduler": False,
    "guard_cycle": 0.5,
    # The broker pauses by itself and polls an idle queue rarely (duplication/queue/broker.py).
    "poll": 0,
    # django-q2 writes the state of its processes to this cache twice a second, and nothing reads it.
    "cache": "unused",
    "label": "Work queue",
    "ALT_CLUSTERS": {
        "dupdash-housekeeping": {
            # One asks Moodle, one sends email and callbacks, one works on lists of copies, and one is free for
            # heartbeats and the database.
            "workers": 4,
            # The longest task is a deletion, for which Moodle has five minutes.
            "timeout": 480,
            "retry": 960,
            "recycle": 500,
        },
    },
    **(
        {"redis": REDIS_URL}
        if REDIS_URL
        else {"orm": "default", "broker_class": "dupdash.duplication.queue.broker.DatabaseBroker"}
    ),
}

# --- Sign-in --------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    # First: it refuses an attempt above the limits before a password is checked.
    "dupdash.accounts.backends.AttemptLimitBackend",
    "dupdash.accounts.backends.LocalAccountBackend",
    "dupdash.accounts.moodle_sign_in.MoodleBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"
# The number of proxies in front of the web process: that many entries at the end of X-Forwarded-For are trusted.
TRUSTED_PROXIES = env.count("TRUSTED_PROXIES", 0, least=0, most=10)
# Attempts to sign in within SIGN_IN_WINDOW seconds, for one account and from one network address.
SIGN_IN_WINDOW = env.seconds("SIGN_IN_WINDOW", 15 * 60)
SIGN_IN_ATTEMPTS_ACCOUNT = env.count("SIGN_IN_ATTEMPTS_ACCOUNT", 10)
SIGN_IN_ATTEMPTS_ADDRESS = env.count("SIGN_IN_ATTEMPTS_ADDRESS", 50)
# The same for emails that reset a password.
RESET_MAILS_ACCOUNT = env.count("RESET_MAILS_ACCOUNT", 3)
RESET_MAILS_ADDRESS = env.count("RESET_MAILS_ADDRESS", 20)
PASSWORD_RESET_TIMEOUT = 3600
# Whether people may sign in with their Moodle password, the service for the token that Moodle returns then (dupdash
# discards it), and the role of an account that is created at the first sign-in.
MOODLE_SIGN_IN = env.flag("MOODLE_SIGN_IN", False)
MOODLE_SIGN_IN_SERVICE = env.text("MOODLE_SIGN_IN_SERVICE", "moodle_mobile_app")
MOODLE_SIGN_IN_ROLE = env.choice("MOODLE_SIGN_IN_ROLE", "faculty", ("faculty", "help_desk", "none"))
if MOODLE_SIGN_IN and not MOODLE_URL:
    refuse("MOODLE_SIGN_IN", "needs MOODLE_URL and MOODLE_TOKEN")
if MOODLE_SIGN_IN and not is_safe_for_passwords(MOODLE_URL):
    refuse("MOODLE_SIGN_IN", "needs a MOODLE_URL that begins with https://, because passwords are sent there")
# Whether people may sign in with a password of a local account.
LOCAL_PASSWORDS = env.flag("LOCAL_PASSWORDS", True)
# A session ends after this time, whether it is used or not.
SESSION_LIFETIME = env.seconds("SESSION_LIFETIME", 12 * 3600)
SESSION_COOKIE_AGE = max(1, int(SESSION_LIFETIME))

# --- Single sign-on with OpenID Connect -----------------------------------------------------------------

OIDC_ISSUER = env.web_url("OIDC_ISSUER")
OIDC_CLIENT_ID = env.text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.text("OIDC_CLIENT_SECRET")
if OIDC_ISSUER and not (OIDC_CLIENT_ID and OIDC_CLIENT_SECRET):
    refuse("OIDC_CLIENT_ID and OIDC_CLIENT_SECRET", "are missing: OIDC_ISSUER needs both")
# What people call their account there: "Sign in with …".
OIDC_NAME = env.text("OIDC_NAME") or "your university account"
OIDC_SCOPES = env.names("OIDC_SCOPES", ["openid", "profile", "email"])
# Whether email addresses are trusted without the claim email_verified.
OIDC_TRUST_EMAIL = env.flag("OIDC_TRUST_EMAIL", False)
# The claim with a person's groups, and the groups of each role. If any is named, roles come only from there.
OIDC_GROUPS_CLAIM = env.text("OIDC_GROUPS_CLAIM", "groups")
OIDC_ROLE_ADMINISTRATOR = env.groups("OIDC_ROLE_ADMINISTRATOR")
OIDC_ROLE_FACULTY = env.groups("OIDC_ROLE_FACULTY")
OIDC_ROLE_HELP_DESK = env.groups("OIDC_ROLE_HELP_DESK")

# --- Single sign-on with SAML ---------------------------------------------------------------------------

# The metadata of the identity provider, and its entity id where the file has several.
SAML_METADATA_FILE = env.text("SAML_METADATA_FILE")
SAML_ENTITY_ID = env.text("SAML_ENTITY_ID")
SAML_NAME = env.text("SAML_NAME") or "your university account"
SAML_GROUPS_ATTRIBUTE = env.text("SAML_GROUPS_ATTRIBUTE", "urn:oid:1.3.6.1.4.1.5923.1.1.1.1")
SAML_ROLE_ADMINISTRATOR = env.groups("SAML_ROLE_ADMINISTRATOR")
SAML_ROLE_FACULTY = env.groups("SAML_ROLE_FACULTY")
SAML_ROLE_HELP_DESK = env.groups("SAML_ROLE_HELP_DESK")
if SAML_METADATA_FILE:
    if OIDC_ISSUER:
        refuse("SAML_METADATA_FILE and OIDC_ISSUER", "cannot be set both: people sign in at one provider")
    if not Path(SAML_METADATA_FILE).is_file():
        refuse("SAML_METADATA_FILE", f"there is no file {SAML_METADATA_FILE}")
    if find_spec("onelogin") is None:
        refuse("SAML_METADATA_FILE", "needs more packages: pip install --requirement requirements-saml.txt")
if OIDC_ISSUER or SAML_METADATA_FILE:
    # Only if it is configured, because it needs tables, middleware and memory. "migrate" creates the tables.
    INSTALLED_APPS += [
        "allauth",
        "allauth.account",
        "allauth.socialaccount",
        f"allauth.socialaccount.providers.{'openid_connect' if OIDC_ISSUER else 'saml'}",
    ]
    MIDDLEWARE.append("allauth.account.middleware.AccountMiddleware")
    ACCOUNT_ADAPTER = "dupdash.accounts.single_sign_on.AccountAdapter"
    SOCIALACCOUNT_ADAPTER = "dupdash.accounts.single_sign_on.SingleSignOnAdapter"
    ACCOUNT_EMAIL_VERIFICATION = SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
    SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
elif not (LOCAL_PASSWORDS or MOODLE_SIGN_IN):
    refuse(
        "LOCAL_PASSWORDS",
        "must be true if none of OIDC_ISSUER, SAML_METADATA_FILE and MOODLE_SIGN_IN is set: nobody could sign in",
    )

# --- Policy ---------------------------------------------------------------------------------------------

FACULTY_NEEDS_APPROVAL = env.flag("FACULTY_NEEDS_APPROVAL", True)
FACULTY_MAY_COPY_USER_DATA = env.flag("FACULTY_MAY_COPY_USER_DATA", False)
# The categories into which faculty may copy, including their subcategories; empty: every category.
FACULTY_CATEGORIES = env.numbers("FACULTY_CATEGORIES")
HELP_DESK_MAY_RETRY = env.flag("HELP_DESK_MAY_RETRY", False)
# How many calls an API token may make in a minute, over all web processes.
API_RATE_PER_MINUTE = env.count("API_RATE_PER_MINUTE", 6000)

# --- Lists of copies ------------------------------------------------------------------------------------

# The largest file that is read, and the most rows of a list.
ROLLOVER_FILE_MIB = env.count("ROLLOVER_FILE_MIB", 10, most=100)
ROLLOVER_ROWS = env.count("ROLLOVER_ROWS", 5000, most=50_000)

# --- Mail -----------------------------------------------------------------------------------------------

EMAIL_BACKEND = env.class_path("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.count("EMAIL_PORT", 25, most=65_535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", False)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "dupdash@localhost")
# Retries of an email that the server did not accept: first delay, longest delay, and the number of attempts.
MAIL_RETRY_FIRST, MAIL_RETRY_LONGEST = env.growing("MAIL_RETRY_FIRST", "MAIL_RETRY_LONGEST", (60, 4 * 3600))
MAIL_ATTEMPTS = env.count("MAIL_ATTEMPTS", 20)
# The hour of the daily summary, in each recipient's time zone.
DIGEST_HOUR = env.count("DIGEST_HOUR", 7, least=0, most=23)
# The URL of this dashboard, for links in emails.
SITE_URL = env.web_url("SITE_URL") or "http://localhost:8000"

# --- Callbacks and chat ---------------------------------------------------------------------------------

# The hosts that callbacks may call. An entry that begins with a dot allows all hosts of that domain.
WEBHOOK_ALLOWED_HOSTS = env.names("WEBHOOK_ALLOWED_HOSTS", [])
WEBHOOK_ALLOW_PRIVATE = env.flag("WEBHOOK_ALLOW_PRIVATE", False)
# The incoming webhook of a chat (Slack, Mattermost, Teams), which gets a message about copies that failed.
CHAT_WEBHOOK_URL = env.service_url("CHAT_WEBHOOK_URL", ("http", "https"), "https://chat.example.edu/hooks/abc")
if CHAT_WEBHOOK_URL:
    # An administrator set it, so its host needs no second permission.
    WEBHOOK_ALLOWED_HOSTS.append(str(urlsplit(CHAT_WEBHOOK_URL).hostname))

# --- Language, time, static files -----------------------------------------------------------------------

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
# Of the Moodle site: the start and end dates of courses are calendar dates there.
MOODLE_TIME_ZONE = env.time_zone("MOODLE_TIME_ZONE", TIME_ZONE)
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

# --- Security -------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "dupdash.web.views.sign_in.csrf_failure"
SESSION_COOKIE_SAMESITE = "Lax"
# Behind an HTTPS proxy: cookies are sent over HTTPS only, and the proxy's header is trusted.
BEHIND_HTTPS = env.flag("BEHIND_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_HTTPS else 0
if BEHIND_HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SILENCED_SYSTEM_CHECKS = [
    # Only the owner of a domain can decide that the whole domain uses HTTPS only.
    "security.W005",
    "security.W021",
    # The proxy redirects to HTTPS (deploy/nginx.conf). Only it knows which requests came over HTTP.
    "security.W008",
]

# --- Log and monitoring -----------------------------------------------------------------------------------

LOG_FORMAT = env.choice("LOG_FORMAT", "text", ("text", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": "dupdash.telemetry.log_format.OneLineFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "dupdash.telemetry.log_format.JsonLineFormatter"},
    },
    "filters": {
        "context": {"()": "dupdash.telemetry.log_context.ContextFilter"},
        "without_queries": {"()": "dupdash.telemetry.log_format.WithoutQueries"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["context"]}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "dupdash": {"level": env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))},
        # The request lines of ``runserver``; gunicorn logs none unless it is told to (docs/web-services.md).
        "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False, "filters": ["without_queries"]},
    },
}
# Prometheus sends this token to read /metrics. Without a token the URL does not exist.
METRICS_TOKEN = env.text("METRICS_TOKEN")
# Errors are reported to Sentry if its DSN is set. Nothing that identifies a person is sent.
SENTRY_DSN = env.text("SENTRY_DSN")
if SENTRY_DSN:
    # Imported here, because it costs every process memory.
    from dupdash.telemetry.sentry import report_errors_to_sentry

    if not report_errors_to_sentry(SENTRY_DSN, MOODLE_TOKEN, ASYNC_TOKEN, OIDC_CLIENT_SECRET):
        refuse("SENTRY_DSN", "is not a DSN of Sentry. Copy it from the project’s settings in Sentry")

# The pipe by which worker processes notice the end of their supervisor. Only the supervisor sets this.
SUPERVISOR_PIPE_FD = os.environ.get("DUPDASH_SUPERVISOR_PIPE_FD", "")
