"""Tests the settings: documentation, defaults, and one clear line about an invalid value."""

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.project.support import ROOT, read_settings, run

EXAMPLE = ROOT / ".env.example"


def names_read(*by: str) -> set[str]:
    """Return the names of the environment variables that settings.py reads, ``by`` these functions."""
    tree = ast.parse((ROOT / "dupdash" / "settings.py").read_text())
    return {
        argument.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        and (not by or call.func.attr in by)
        # A setting with a first and a longest value has two names.
        for argument in call.args[: 2 if call.func.attr == "growing" else 1]
        if isinstance(argument, ast.Constant)
    }


def example() -> dict[str, str]:
    """Return every name in .env.example with its value, including names that are commented out."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def assert_refused(result: subprocess.CompletedProcess[str], *names: str) -> None:
    """Assert that the output is one line that names one of these settings."""
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("dupdash cannot start. ")
    assert any(name in line for name in names)


def test_example_names_exactly_the_settings_that_are_read():
    assert names_read() == set(example())


def test_example_explains_each_setting_once():
    names = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert len(names) == len(set(names))


# With these functions settings.py reads periods, limits and the hour of the digest. Ports are no limits.
MEASURES = ("seconds", "growing", "count")


def test_operating_guide_names_each_period_and_limit():
    guide = (ROOT / "docs" / "operating.md").read_text().partition("\n## Periods and limits\n")[2]
    named = {name for row in guide.splitlines() for name in re.findall(r"`([A-Z_]+)`", row.partition(" | ")[0])}
    assert named == names_read(*MEASURES) - {"EMAIL_PORT"}


def test_example_shows_the_real_defaults():
    shown = {name: value for name, value in example().items() if name != "SECRET_KEY"}
    by_default = read_settings(SECRET_KEY="x")
    as_shown = read_settings(SECRET_KEY="x", **shown)
    assert as_shown.stderr == by_default.stderr == ""
    differing = {"DATABASE_URL"}  # The same file with a relative path.
    values = [
        {name: value for name, value in json.loads(result.stdout).items() if name not in differing}
        for result in (by_default, as_shown)
    ]
    assert values[0] == values[1]


def test_settings_are_read_from_a_file(tmp_path):
    file = tmp_path / "settings"
    file.write_text("SECRET_KEY=from-the-file\nTIME_ZONE=Europe/Zurich\n")
    result = read_settings(DUPDASH_ENV_FILE=str(file), TIME_ZONE="Asia/Tokyo")
    values = json.loads(result.stdout)
    assert values["SECRET_KEY"] == "from-the-file"
    assert values["TIME_ZONE"] == "Asia/Tokyo"


def test_missing_secret_key_prevents_the_start():
    assert_refused(run("manage.py", "check"), "SECRET_KEY")
    assert_refused(run("manage.py", "check", SECRET_KEY=" "), "SECRET_KEY")


def test_debug_mode_starts_without_a_secret_key():
    assert run("manage.py", "check", DEBUG="true").returncode == 0


BAD = [
    {"LOCAL_PASSWORDS": "false"},
    {"SAML_METADATA_FILE": "/nowhere/metadata.xml"},
    {"MOODLE_SIGN_IN": "true"},
    {"MOODLE_SIGN_IN_ROLE": "administrator"},
    {"OIDC_ISSUER": "https://id.example.edu"},
    {"OIDC_ISSUER": "id.example.edu"},
    {"SESSION_LIFETIME": "0"},
    {"SIGN_IN_ATTEMPTS_ACCOUNT": "0"},
    {"TRUSTED_PROXIES": "-1"},
    {"UPLOAD_LIMIT": "10"},
    {"ALLOWED_HOSTS": ""},
    {"ALLOWED_HOSTS": "https://copies.example.edu"},
    {"ALLOWED_HOSTS": "copies.example.edu:8000"},
    {"ALLOWED_HOSTS": "copies.example.edu;other.example.edu"},
    {"ALLOWED_HOSTS": "localhost,::1"},
    {"ALLOWED_HOSTS": "[::1]:8000"},
    {"API_RATE_PER_MINUTE": "0"},
    {"BEHIND_HTTPS": "maybe"},
    {"CSRF_TRUSTED_ORIGINS": "copies.example.edu"},
    {"CSRF_TRUSTED_ORIGINS": "https://copies.example.edu/path"},
    {"CSRF_TRUSTED_ORIGINS": "https://copies.example.edu//"},
    {"CSRF_TRUSTED_ORIGINS": "https://copies.example.edu?x=1"},
    {"CSRF_TRUSTED_ORIGINS": "https://copies.example.edu;https://other.example.edu"},
    {"DATABASE_URL": "nonsense"},
    {"DATABASE_URL": ""},
    {"DATABASE_URL": "mysql://me@localhost/dupdash"},
    {"DATABASE_URL": "postgres://localhost:port/dupdash"},
    {"DATABASE_URL": "sqlite:////no/such/folder/dupdash.sqlite3"},
    {"DATABASE_URL": "sqlite://:memory:"},
    {"DEBUG": "perhaps"},
    {"DUPDASH_ENV_FILE": "/no/such/file"},
    {"EMAIL_BACKEND": "no.such.Backend"},
    {"CHECK_FIRST": "61"},
    {"CHECK_LONGEST": "1"},
    {"DIGEST_HOUR": "24"},
    {"EMAIL_PORT": "smtp"},
    {"EMAIL_PORT": "65536"},
    {"FACULTY_CATEGORIES": "3,biology"},
    {"FACULTY_CATEGORIES": "0"},
    {"FACULTY_CATEGORIES": "3,-17"},
    {"HEARTBEAT_INTERVAL": "20"},
    {"HEARTBEAT_LIMIT": "5"},
    {"HEARTBEAT_LIMIT": "nan"},
    {"LEASE_SECONDS": "-1"},
    {"LEASE_SECONDS": "soon"},
    {"LOG_LEVEL": "LOUD"},
    {"MOODLE_CONCURRENCY": "0"},
    {"MOODLE_CONCURRENCY": "65"},
    {"MOODLE_CONCURRENCY": "zero"},
    {"MOODLE_DRIVER": "fast"},
    {"MOODLE_DUPLICATION_TIMEOUT": "1e12"},
    {"MOODLE_DUPLICATION_TIMEOUT": "inf"},
    {"MOODLE_TOKEN": "t"},
    {"MOODLE_URL": "http://[nowhere", "MOODLE_TOKEN": "t"},
    {"MOODLE_URL": "https://moodle.example.edu/my/index.php", "MOODLE_TOKEN": "t"},
    {"MOODLE_URL": "https://", "MOODLE_TOKEN": "t"},
    {"MOODLE_URL": "https://moodle.example.edu"},
    {"MOODLE_URL": "moodle.example.edu", "MOODLE_TOKEN": "t"},
    {"ASYNC_URL": "https://other.example.edu"},
    {"REDIS_URL": "localhost:6379"},
    {"REDIS_URL": "redis://localhost:port"},
    {"RESTART_FIRST": "16"},
    {"RETRY_LONGEST": "9"},
    {"SITE_URL": "copies.example.edu"},
    {"SITE_URL": "https://copies.example.edu/?x=1"},
    {"SITE_URL": "https://copies.example.edu/#jobs"},
    {"TIME_ZONE": ""},
    {"TIME_ZONE": "../UTC"},
    {"TIME_ZONE": "Nowhere"},
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: " ".join(f"{name}={value}" for name, value in bad.items()))
def test_malformed_setting_is_refused_with_one_line_that_names_it(bad):
    names = ("MOODLE_URL", "MOODLE_TOKEN") if "MOODLE_TOKEN" in bad or "MOODLE_URL" in bad else tuple(bad)
    result = read_settings(**{"SECRET_KEY": "only-for-tests", **bad})
    assert_refused(result, *names)


GOOD = [
    ("OIDC_ROLE_FACULTY", "CN=Teachers,OU=Biology; staff ;", ["CN=Teachers,OU=Biology", "staff"]),
    ("SESSION_LIFETIME", "3600", 3600),
    ("ALLOWED_HOSTS", "*", ["*"]),
    (
        "ALLOWED_HOSTS",
        ".example.edu, Copies-2.example.edu,127.0.0.1",
        [".example.edu", "Copies-2.example.edu", "127.0.0.1"],
    ),
    ("ALLOWED_HOSTS", "[::1],[2001:db8::1]", ["[::1]", "[2001:db8::1]"]),
    ("CSRF_TRUSTED_ORIGINS", "https://copies.example.edu/", ["https://copies.example.edu"]),
    (
        "CSRF_TRUSTED_ORIGINS",
        "https://*.example.edu:8443, http://[::1]",
        ["https://*.example.edu:8443", "http://[::1]"],
    ),
    ("FACULTY_CATEGORIES", "3, 17", [3, 17]),
    ("SITE_URL", "https://example.edu/copies/", "https://example.edu/copies"),
]


@pytest.mark.parametrize(("name", "given", "taken"), GOOD)
def test_setting_has_the_expected_value(name: str, given: str, taken: object) -> None:
    result = read_settings(SECRET_KEY="only-for-tests", **{name: given})
    assert json.loads(result.stdout)[name] == taken, result.stderr


def test_passwords_are_sent_to_no_moodle_over_http() -> None:
    moodle = {"MOODLE_TOKEN": "t", "MOODLE_SIGN_IN": "true"}
    refusal = read_settings(SECRET_KEY="x", MOODLE_URL="http://moodle.example.edu", **moodle)
    assert_refused(refusal, "MOODLE_SIGN_IN")
    for address in ("https://moodle.example.edu", "http://localhost:8001"):
        assert read_settings(SECRET_KEY="x", MOODLE_URL=address, **moodle).returncode == 0


def test_single_sign_on_apps_are_installed_only_if_it_is_configured() -> None:
    provider = {"OIDC_ISSUER": "https://id.example.edu", "OIDC_CLIENT_ID": "a", "OIDC_CLIENT_SECRET": "b"}
    without = read_settings(SECRET_KEY="only-for-tests")
    with_it = read_settings(SECRET_KEY="only-for-tests", LOCAL_PASSWORDS="false", **provider)
    assert "allauth" not in without.stdout
    assert "allauth.account" in json.loads(with_it.stdout)["INSTALLED_APPS"]
    checked = run("manage.py", "check", SECRET_KEY="only-for-tests", **provider)
    assert checked.returncode == 0, checked.stderr


def said(environment: dict[str, str]) -> str:
    """Return the output of a start that fails because of these settings."""
    result = read_settings(**{"SECRET_KEY": "only-for-tests", **environment})
    assert result.returncode == 1
    return result.stderr


@pytest.mark.parametrize(
    "backend",
    [
        "django.core.mail.backends.smtp",
        "django.core.mail.backends.smtp.EmailBackEnd",
        "django.core.mail.backends.smtp.threading",
        "django..mail",
        ".smtp.EmailBackend",
        "EmailBackend",
    ],
)
def test_mail_backend_without_its_class_is_refused(backend: str) -> None:
    assert said({"EMAIL_BACKEND": backend}).startswith("dupdash cannot start. EMAIL_BACKEND: ")


@pytest.mark.parametrize(
    "needs", ["from django.conf import settings; settings.SITE_URL", "import django.contrib.auth.models"]
)
def test_mail_backend_that_imports_the_settings_is_accepted(tmp_path: Path, needs: str) -> None:
    """A mail backend is accepted even if its module imports the settings, and so cannot be imported at that time."""
    (tmp_path / "ours.py").write_text(f"{needs}\nclass Backend:\n    def __init__(self, **_): ...\n")
    result = run(
        "-c",
        "import django; django.setup(); from django.core.mail import get_connection; print(get_connection())",
        SECRET_KEY="only-for-tests",
        DJANGO_SETTINGS_MODULE="dupdash.settings",
        EMAIL_BACKEND="ours.Backend",
        PYTHONPATH=str(tmp_path),
    )
    assert "ours.Backend" in result.stdout, result.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_settings_file_that_is_not_utf8_is_reported_in_one_line(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "settings"
    file.write_text("EMAIL_HOST_PASSWORD=müde\n", encoding=encoding)
    result = read_settings(DUPDASH_ENV_FILE=str(file))
    assert_refused(result, "DUPDASH_ENV_FILE")
    assert str(file) in result.stderr
    # The message shows no content of the file, which may be a password.
    assert "0x" not in result.stderr
    assert "\\x" not in result.stderr


# The process of the user "nobody" may be unable to read Python or this folder, so all modules are imported before.
READ_AS_NOBODY = """
import os, sys
from pathlib import Path
from dupdash.environment import Environment
if os.getuid() == 0:
    os.setuid(65534)
Environment(Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("name", "closed"), [(".env", "the file"), ("DUPDASH_ENV_FILE", "the file"), ("DUPDASH_ENV_FILE", "the folder")]
)
def test_unreadable_settings_file_is_reported_in_one_line(name: str, closed: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / ".env"
        file.write_text("SECRET_KEY=from-the-file\n")
        Path(folder).chmod(0o755)
        (file if closed == "the file" else Path(folder)).chmod(0)
        environment = {"PATH": os.environ["PATH"]} | ({name: str(file)} if name == "DUPDASH_ENV_FILE" else {})
        result = subprocess.run(
            [sys.executable, "-c", READ_AS_NOBODY, folder],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        Path(folder).chmod(0o755)
    assert_refused(result, name)
    assert str(file) in result.stderr


def test_malformed_setting_ends_the_web_process_at_once():
    serve = ("-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--bind", "127.0.0.1:0", "dupdash.wsgi")
    assert_refused(run(*serve), "SECRET_KEY")


def test_sqlite_commit_is_synced_to_the_disk(tmp_path):
    """SQLite syncs each commit to the disk, so that dupdash knows after a power failure which requests were sent."""
    asks = "import django; django.setup(); from django.db import connection as c; k = c.cursor(); "
    asks += "print([k.execute(f'PRAGMA {p}').fetchone()[0] for p in ('journal_mode', 'synchronous')])"
    result = run(
        "-c",
        asks,
        SECRET_KEY="only-for-tests",
        DJANGO_SETTINGS_MODULE="dupdash.settings",
        DATABASE_URL=f"sqlite:///{tmp_path / 'd.sqlite3'}",
    )
    # 2 is FULL. With NORMAL a commit in WAL mode does not wait for the disk.
    assert result.stdout.strip() == "['wal', 2]", result.stderr


@pytest.mark.parametrize(
    ("address", "timeout"), [("postgres://u:p@host/name", 10), ("postgres://u:p@host/name?connect_timeout=3", 3)]
)
def test_unresponsive_postgresql_times_out(address, timeout):
    result = read_settings(SECRET_KEY="only-for-tests", DATABASE_URL=address)
    options = json.loads(result.stdout)["DATABASES"]["default"]["OPTIONS"]
    assert int(options["connect_timeout"]) == timeout
    assert options["keepalives_idle"]


@pytest.mark.parametrize(
    ("given", "added"), [("", ""), ("?currentSchema=x", " -c search_path=x"), ("?options=-c%20jit%3Don", " -c jit=on")]
)
def test_options_for_postgresql_are_added_to_the_given_ones(given, added):
    result = read_settings(SECRET_KEY="only-for-tests", DATABASE_URL=f"postgres://u:p@host/name{given}")
    options = json.loads(result.stdout)["DATABASES"]["default"]["OPTIONS"]
    assert options["options"] == f"-c jit=off -c work_mem=16MB{added}"
