"""The settings of the test suite. They ignore the environment, so that no test uses a real Moodle.

``TEST_DATABASE_URL`` and ``TEST_REDIS_URL`` run the same suite on PostgreSQL and Redis.
"""

import os

KEPT = {"TEST_DATABASE_URL": "DATABASE_URL", "TEST_REDIS_URL": "REDIS_URL"}
for name in (
    "MOODLE_DRIVER",
    "MOODLE_CONCURRENCY",
    "ASYNC_URL",
    "ASYNC_TOKEN",
    "DATABASE_URL",
    "REDIS_URL",
    "FACULTY_CATEGORIES",
):
    os.environ.pop(name, None)
# Only the contract tests may use a real site. They read its settings from names that dupdash does not use.
for name in ("MOODLE_URL", "MOODLE_TOKEN"):
    if value := os.environ.pop(name, ""):
        os.environ[f"CONTRACT_{name}"] = value
for test_name, name in KEPT.items():
    if value := os.environ.get(test_name):
        os.environ[name] = value
# With pytest-xdist each process has its own database, and so its own Redis database.
if (redis := os.environ.get("REDIS_URL")) and (part := os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")):
    address, _, number = redis.rpartition("/")
    os.environ["REDIS_URL"] = f"{address}/{int(number) + int(part)}"
os.environ |= {
    "DUPDASH_ENV_FILE": "",
    "SECRET_KEY": "only-for-tests",
    "DEBUG": "false",
    "SANDBOX": "true",
    "EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend",
    # The tests of single sign-on start their own provider.
    "OIDC_ISSUER": "http://localhost:1",
    "OIDC_CLIENT_ID": "dupdash",
    "OIDC_CLIENT_SECRET": "only-for-tests",
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
}

from dupdash.settings import *  # noqa: E402, F403
from dupdash.settings import DATABASES, INSTALLED_APPS  # noqa: E402

# A copy of unknown duration is checked for this long, once a minute. The default is three hours.
CHECK_LIMIT_UNKNOWN = 12 * 60

# Most tests run without single sign-on. The database has its tables all the same.
OIDC_ISSUER = ""
INSTALLED_APPS.append("allauth.socialaccount.providers.saml")

# The test database need not survive a power failure. Syncing to the disk would double the duration of the tests.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"
else:
    DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"
DATABASES["default"]["CONN_MAX_AGE"] = 0
# Static files are searched when they are requested. Otherwise every new test client lists all static files, which took
# half of the time of the page tests.
WHITENOISE_AUTOREFRESH = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
