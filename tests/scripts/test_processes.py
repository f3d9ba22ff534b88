"""Tests that the child processes of a script end when the script ends in any way."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

# A child process with its own child. Both print their process ids.
FAMILY = """
import os, signal, subprocess
print(os.getpid(), subprocess.Popen(["sleep", "600"]).pid, flush=True)
signal.pause()
"""

# The same, but the processes ignore SIGTERM.
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FAMILY

SCRIPT = """
import sys
sys.path.insert(0, {scripts!r})
from pathlib import Path
from lib import processes
processes.SHUTDOWN_LONGEST = 0.5
with processes.ProcessGroup({{}}) as family:
    try:
        family.start("child", [sys.executable, "-c", {program!r}], Path(sys.argv[1]))
        family.watch()
    except processes.Failed as failed:
        print(failed)
    except processes.Stopped:
        print("stopped")
"""


def lives(pid: int) -> bool:
    """Return whether a process is running. A zombie does not count."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while any(map(lives, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(lives, pids))


@pytest.fixture(params=[FAMILY, STUBBORN], ids=["polite", "stubborn"])
def script(request, tmp_path) -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    """Start a script with a child process. Yields the script, and the ids of the child and the grandchild."""
    log = tmp_path / "log"
    program = SCRIPT.format(scripts=str(ROOT / "scripts"), program=request.param)
    with subprocess.Popen([sys.executable, "-c", program, str(log)], stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while not (log.exists() and len(log.read_text().split()) == 2):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        pids = [int(pid) for pid in log.read_text().split()]
        yield process, pids
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_sigterm_ends_all_child_processes(script, how):
    process, pids = script
    process.send_signal(how)
    assert process.communicate(timeout=10)[0] == "stopped\n"
    wait_until_gone(pids)


def test_ended_child_is_named_and_the_others_are_ended(script):
    process, pids = script
    os.kill(pids[0], signal.SIGKILL)
    assert process.communicate(timeout=10)[0].startswith("child ended with status -9.")
    wait_until_gone(pids)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel ends orphans on Linux only")
@pytest.mark.parametrize("script", [FAMILY], ids=["polite"], indirect=True)
def test_child_ends_with_a_killed_script(script):
    process, pids = script
    process.kill()
    wait_until_gone(pids[:1])
