"""Migrates one SQLite database for all processes of the test run. Each test database is a copy of it.

The migrations of all packages take some seconds, which each process would otherwise spend twice.
"""

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

PATIENCE = 180.0


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def environment(database: Path) -> dict[str, str]:
    """Return an environment without the settings of the test process, above all without its database and broker."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "dupdash.settings",
        "DUPDASH_ENV_FILE": "",
        "SECRET_KEY": "only-for-tests",
        "DATABASE_URL": f"sqlite:///{database}",
    }


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty SQLite database with all tables, to be copied. The first process that needs it creates it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # The parent folder belongs to all processes of the run.
        folder = folder.parent
    database = folder / "template.sqlite3"
    with (folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not database.exists():
            unfinished = folder / "unfinished.sqlite3"
            subprocess.run(manage("migrate", "-v0"), env=environment(unfinished), check=True, timeout=PATIENCE)
            with closing(sqlite3.connect(unfinished)) as migrated:
                # All data must be in one file, which is copied.
                migrated.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            unfinished.rename(database)
    return database


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    """Return whether Django migrates an existing test database instead of creating a new one."""
    return django_db_keepdb or connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Use a copy of the template as the test database. It is a file, because threads and worker processes share it."""
    if connection.vendor == "sqlite":
        database = tmp_path_factory.mktemp("database") / "test.sqlite3"
        shutil.copy(request.getfixturevalue("template"), database)
        connection.settings_dict["TEST"]["NAME"] = str(database)
