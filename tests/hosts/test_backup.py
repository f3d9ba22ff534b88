"""Tests the backup and restore commands of docs/operating.md: jobs continue in the restored database."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.chaos.people import CopyPlan
from tests.chaos.processes import HERE
from tests.hosts.installation import SeveralHosts, several_hosts


def commands(program: str) -> list[str]:
    """Return the command lines of the document that run a program of PostgreSQL."""
    text = (HERE / "docs" / "operating.md").read_text()
    return re.findall(rf"^ +runuser -u postgres -- ({program} .*?)(?: +#.*)?$", text, re.MULTILINE)


def run(installation: SeveralHosts, program: str, dump: Path) -> None:
    """Run a command of the document on the PostgreSQL server and the database of the test."""
    (command,) = commands(program)
    names = {"/var/backups/dupdash.dump": str(dump)} | ({"dupdash": "postgres"} if program == "pg_dump" else {})
    words = [names.get(word, word) for word in command.split()]
    assert installation.postgres is not None
    server = {"PGHOST": "127.0.0.1", "PGPORT": str(installation.postgres.port), "PGUSER": "dupdash"}
    program_file = shutil.which(program)
    assert program_file is not None
    subprocess.run([program_file, *words[1:]], env=installation.environment | server, check=True)


def test_jobs_continue_in_a_restored_database(only_on_postgresql: None) -> None:
    with several_hosts(1, MOODLE_CONCURRENCY="1") as installation:
        dump = installation.folder / "dupdash.dump"
        installation.control(hold=["renamed"])
        person = installation.person()
        for number, source in enumerate(installation.sources()[:3]):
            person.request_copy(CopyPlan(source, f"KEPT-{number}", f"Kept {number}", True, False))
        installation.until(lambda: installation.control()["copies"], "the copy to begin")
        run(installation, "pg_dump", dump)

        for process in (*installation.hosts, installation.web):
            process.kill()
        run(installation, "createdb", dump)
        run(installation, "pg_restore", dump)
        for process in (*installation.hosts, installation.web):
            process.use({"DATABASE_URL": installation.use_database("dupdash_restored")})
            process.start()
        assert installation.states() == {"KEPT-0": "running", "KEPT-1": "queued", "KEPT-2": "queued"}
        installation.control(release=True)
        installation.until_all_succeeded()
        asked = installation.control()["calls"]["asked"]
        assert [asked[f"kept-{number}"] for number in range(3)] == [1, 1, 1]
        assert "stopped. The request had been sent to Moodle" in "".join(installation.reasons())
