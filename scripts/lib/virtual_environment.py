"""Creates and updates the virtual environment in ``.venv``."""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .cli import UsageError, step

ROOT = Path(__file__).resolve().parent.parent.parent
VAR = ROOT / "var"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"

RUNTIME = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"

# Signs in pip's output that the package index was not reachable. pip prints the first one if it sees no version at all.
_NO_INDEX = ("(from versions: none)", "NewConnectionError", "TimeoutError", "ProxyError", "SSLError", "Read timed out")


def install(requirements: str) -> None:
    """Install everything that a requirements file names into ``.venv``; fast if nothing has changed."""
    if os.name != "posix":
        raise UsageError("runs on Linux and macOS; on Windows, run it in WSL")
    try:
        VAR.mkdir(exist_ok=True)
        with _install_lock():
            _ensure_venv()
            _ensure_packages(requirements)
    except OSError as error:
        raise UsageError(
            f"cannot write {error.filename}: {error.strerror}. You need write permission for this folder"
        ) from error


@contextlib.contextmanager
def _install_lock() -> Iterator[None]:
    """Let one script at a time build the environment."""
    with (VAR / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ensure_venv() -> None:
    if _works():
        return
    if any(importlib.util.find_spec(module) is None for module in ("venv", "ensurepip")):
        raise UsageError(
            "this Python has no venv module. On Debian and Ubuntu: apt-get install "
            f"python{sys.version_info[0]}.{sys.version_info[1]}-venv; elsewhere install Python from python.org"
        )
    began = time.monotonic()
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise UsageError(f"could not create .venv: {_last_line(made.stdout + made.stderr)}")
    step("Python", f"{sys.version.split()[0]}, created the virtual environment .venv ({_since(began)})")


def _works() -> bool:
    """Return whether the Python of ``.venv`` exists and runs. After an upgrade of the system's Python it may not."""
    if not PYTHON.exists():
        return False
    check = "import sys, pip; sys.exit(0 if sys.version_info >= (3, 11) else 1)"
    return subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0


def _ensure_packages(requirements: str) -> None:
    stamp = VENV / f".installed-{requirements}"
    wanted = _fingerprint(requirements)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    step("Packages", f"installing what {requirements} names; this takes a minute the first time …")
    began = time.monotonic()
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "--requirement", requirements], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(_why_pip_failed(done.stdout + done.stderr))
    stamp.write_text(wanted)
    step("", f"installed ({_since(began)})")


def _fingerprint(requirements: str) -> str:
    """Return a hash of the requirements file and of the file that it includes."""
    names = [requirements] if requirements == RUNTIME else [requirements, RUNTIME]
    return hashlib.sha256(b"\0".join((ROOT / name).read_bytes() for name in names)).hexdigest()


def _why_pip_failed(output: str) -> str:
    if any(sign in output for sign in _NO_INDEX):
        return (
            "pip cannot reach the package index. Connect this machine to the network (behind a proxy: set "
            "HTTPS_PROXY; with an index of your own: set PIP_INDEX_URL) and run it again"
        )
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    return f"pip could not install the packages: {errors[0][6:].strip() if errors else _last_line(output)}"


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1].strip() if lines else "no output"


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"
