"""Tests that migrations of a new version can run while the old version is running, as in docs/operating.md."""

import shutil
import subprocess
import threading
from pathlib import Path

from tests.chaos.people import CopyPlan
from tests.chaos.processes import HERE, python
from tests.hosts.installation import several_hosts

# Changes that a migration may make while the old version runs, because the old version does not use these columns.
MIGRATION = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("duplication", "{last}")]
    operations = [
        migrations.AddField("duplicationjob", "of_the_new_version", models.TextField(null=True)),
        migrations.AddField("duplicationjob", "with_default", models.IntegerField(db_default=7)),
        migrations.AddIndex("duplicationjob", models.Index(fields=["finished_at", "state"], name="of_new_version")),
        migrations.CreateModel("NewTable", [("id", models.BigAutoField(primary_key=True))]),
    ]
"""


def make_new_version(folder: Path) -> Path:
    """Copy the program into ``folder``, add a migration to the copy, and return the path of the copy."""
    copy = folder / "new"
    for part in ("dupdash", "templates", "static"):
        shutil.copytree(HERE / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "manage.py", copy)
    migrations = copy / "dupdash" / "duplication" / "migrations"
    last = max(file.stem for file in migrations.glob("0*.py"))
    (migrations / "9999_new.py").write_text(MIGRATION.format(last=last))
    return copy


def test_old_version_serves_and_works_while_migrations_run(only_on_postgresql: None) -> None:
    with several_hosts(1) as installation:
        new = make_new_version(installation.folder)
        installation.control(hold=["renamed"])
        person, reader = installation.person(), installation.person()
        sources = installation.sources()
        person.request_copy(CopyPlan(sources[0], "BEFORE", "Before", True, False))
        installation.until(lambda: installation.control()["copies"], "the copy to begin")
        answers: list[int] = []
        over = threading.Event()

        def read() -> None:
            while not over.is_set():
                answers.append(reader.open("/jobs/").status_code)

        pages = threading.Thread(target=read)
        pages.start()
        command = python(str(new / "manage.py"), "migrate", "--verbosity", "0")
        subprocess.run(command, env=installation.environment, cwd=new, check=True)
        person.request_copy(CopyPlan(sources[1], "AFTER", "After", True, False))
        over.set()
        pages.join()
        installation.control(release=True)
        installation.until_all_succeeded()
        assert len(answers) > 1
        assert set(answers) == {200}
        assert installation.ask("SELECT DISTINCT with_default FROM duplication_duplicationjob") == [(7,)]
