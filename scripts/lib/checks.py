"""``scripts/check``: runs all static checks, also after a failed one."""

import os
import secrets
import subprocess
from collections.abc import Sequence

from .cli import UsageError, say, step
from .installation import DEVELOPMENT, PYTHON, ROOT, install

# ruff does not find these files by itself, because they have no suffix.
SCRIPTS = (
    "scripts/acceptance",
    "scripts/demo",
    "scripts/test",
    "scripts/check",
    "scripts/docs",
    "scripts/screenshots",
    "scripts/plugin",
)

CHECKS: dict[str, tuple[str, ...]] = {
    "ruff check": ("-m", "ruff", "check", ".", *SCRIPTS),
    "ruff format": ("-m", "ruff", "format", "--check", ".", *SCRIPTS),
    "mypy": ("-m", "mypy", "dupdash", "scripts/lib"),
    "import-linter": ("-c", "from importlinter.cli import lint_imports_command as main; main()"),
    "migrations": ("manage.py", "makemigrations", "--check", "--dry-run"),
    "django": ("manage.py", "check", "--deploy", "--fail-level", "WARNING"),
}


def main(arguments: Sequence[str]) -> int:
    if unknown := [name for name in arguments if name not in CHECKS]:
        raise UsageError(f"there is no check {unknown[0]!r}. There are: {', '.join(CHECKS)}")
    install(DEVELOPMENT)
    failed = [name for name in arguments or CHECKS if not _passes(name)]
    say(f"Failed: {', '.join(failed)}" if failed else "All checks pass.")
    return 1 if failed else 0


def _passes(name: str) -> bool:
    done = subprocess.run(
        [PYTHON, *CHECKS[name]], cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        step(name, "passes")
        return True
    step(name, "FAILS")
    say(done.stdout + done.stderr)
    return False


def _environment() -> dict[str, str]:
    """The environment of a production installation behind HTTPS, independent of the developer's settings."""
    return os.environ | {
        "DUPDASH_ENV_FILE": "",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DEBUG": "false",
        "BEHIND_HTTPS": "true",
        "DATABASE_URL": f"sqlite:///{ROOT / 'var' / 'check.sqlite3'}",
        "REDIS_URL": "",
        "MOODLE_URL": "",
        "MOODLE_TOKEN": "",
    }
