"""Tests the error messages of scripts/demo. ``.ci/run`` tests the success in a fresh clone."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files of a fresh clone that the scripts need before the installation. The folder's name has a blank."""
    folder = tmp_path / "a clone"
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for requirements in ROOT.glob("requirements*.txt"):
        shutil.copy(requirements, folder)
    return folder


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        yield door.getsockname()[1]


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def demo(folder: Path, *arguments: str, pretend: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/demo. ``pretend`` is Python code that runs before it, to simulate another machine."""
    script = folder / "scripts" / "demo"
    program = f"import runpy, sys; sys.argv[0] = {str(script)!r}; sys.path[0] = {str(script.parent)!r}; {pretend}"
    return subprocess.run(
        [sys.executable, "-c", f"{program}\nrunpy.run_path({str(script)!r}, run_name='__main__')", *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_one_line(result: subprocess.CompletedProcess[str], pattern: str) -> None:
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize("option", ["--port", "--moodle-port"])
def test_port_in_use_is_reported_with_the_option_to_change_it(clone, taken_port, option):
    ports = {"--port": free_port(), "--moodle-port": free_port()} | {option: taken_port}
    result = demo(clone, *(str(word) for pair in ports.items() for word in pair))
    assert_one_line(result, rf"demo: port {taken_port} is in use\. .*: {option} \d+")
    assert not (clone / "var").exists()


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_missing_venv_module_is_reported_with_the_package_to_install(clone, module):
    ports = ("--port", str(free_port()), "--moodle-port", str(free_port()))
    result = demo(clone, *ports, pretend=f"sys.modules[{module!r}] = None")
    assert_one_line(result, r"demo: this Python has no venv module\. .*apt-get install python3\.\d+-venv.*")


def test_old_python_is_reported(clone):
    result = demo(clone, pretend="sys.version_info = (3, 9, 2)", PATH="/nowhere")
    assert_one_line(result, r"demo: needs Python 3\.11 or later, and this is 3\.9\. .*")


def test_missing_network_is_reported(clone):
    ports = ("--port", str(free_port()), "--moodle-port", str(free_port()))
    # The package index cannot be reached, and there are no local packages.
    nowhere = {"PIP_INDEX_URL": f"http://127.0.0.1:{free_port()}/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    result = demo(clone, *ports, **nowhere)
    assert_one_line(result, r"demo: pip cannot reach the package index\. .*")


@pytest.mark.parametrize("port", ["0", "70000", "http"])
def test_invalid_port_is_refused(clone, port):
    result = demo(clone, "--port", port)
    assert result.returncode == 2
    assert "must be a number from 1 to 65535" in result.stderr
