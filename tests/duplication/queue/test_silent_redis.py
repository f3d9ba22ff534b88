"""Tests that a request is soon accepted even if Redis accepts connections but never answers."""

import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

from tests.database_template import environment, manage
from tests.duplication.installation import PATIENCE

# This is the same call as when a job is submitted.
PROGRAM = """
from dupdash.duplication.queue.dispatch import COPIES, enqueue
print("enqueued:", enqueue(COPIES, "dupdash.duplication.tasks.run_job", "x"))
"""


def test_message_is_given_up_after_some_seconds(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = {"REDIS_URL": f"redis://127.0.0.1:{silent.getsockname()[1]}/0"}
        began = time.monotonic()
        ran = subprocess.run(
            manage("shell", "-v0", "-c", PROGRAM),
            env=environment(tmp_path / "none.sqlite3") | address,
            check=True,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
        )
    assert "enqueued: False" in ran.stdout
    assert time.monotonic() - began < PATIENCE
