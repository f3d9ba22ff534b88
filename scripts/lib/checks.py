"""``scripts/check``: runs all static checks, even after one has failed."""

import json
import os
import secrets
import subprocess
from collections.abc import Sequence

from .cli import UsageError, say, step
from .virtual_environment import DEVELOPMENT, PYTHON, ROOT, RUNTIME, install

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
    "bandit": (
        *("-m", "bandit", "--quiet", "--recursive", "dupdash", "--exclude", "dupdash/sandbox"),
        *("--severity-level", "medium", "--configfile", "pyproject.toml"),
    ),
    "django": ("manage.py", "check", "--deploy", "--fail-level", "WARNING"),
}


# This check asks the package index for known flaws. It is skipped if the index does not answer.
AUDIT = "pip-audit"
AUDIT_LONGEST = 120


def main(arguments: Sequence[str]) -> int:
    names = (*CHECKS, AUDIT)
    if unknown := [name for name in arguments if name not in names]:
        raise UsageError(f"there is no check {unknown[0]!r}. There are: {', '.join(names)}")
    install(DEVELOPMENT)
    failed = [name for name in arguments or names if not (_has_no_known_flaws() if name == AUDIT else _passes(name))]
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


def _has_no_known_flaws() -> bool:
    """Return whether none of the packages that run in production has a known flaw, according to the package index."""
    command = [*("-m", "pip_audit", "--requirement", RUNTIME, "--no-deps", "--disable-pip"), *("--format", "json")]
    try:
        done = subprocess.run(
            [PYTHON, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=AUDIT_LONGEST
        )
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, LookupError):
        step(AUDIT, "skipped: the package index cannot be asked for known flaws")
        return True
    flaws = [f"{one['name']} {one['version']}: {flaw['id']}" for one in packages for flaw in one.get("vulns", ())]
    unknown = [one["name"] for one in packages if "skip_reason" in one]
    if flaws:
        step(AUDIT, "FAILS")
        say("\n".join(flaws))
    elif len(unknown) == len(packages):
        step(AUDIT, "skipped: the package index knows no flaws of any package (offline, or a mirror)")
    else:
        step(AUDIT, f"passes; not audited: {', '.join(unknown)}" if unknown else "passes")
    return not flaws


def _environment() -> dict[str, str]:
    """Return the environment of a production installation behind HTTPS, independent of the developer's settings."""
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
