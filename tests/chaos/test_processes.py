"""Tests that the processes of a run are found."""

import subprocess
from pathlib import Path

import pytest

from tests.chaos.processes import carrying, environment_of, wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")


def test_process_that_starts_another_program_is_not_overlooked(tmp_path: Path) -> None:
    """A process has no environment for a moment while it starts a program. This one does nothing else."""
    script = tmp_path / "again.sh"
    script.write_text(f"exec sh {script}\n")
    mark = f"TEST_MARK={tmp_path}"
    process = subprocess.Popen(["sh", str(script)], env={"TEST_MARK": str(tmp_path)})
    try:
        wait_until(lambda: process.pid in carrying(mark), "the process")
        entry = Path("/proc") / str(process.pid)
        assert all(mark.encode() in environment_of(entry) for _ in range(500))
    finally:
        process.kill()
        process.wait()
