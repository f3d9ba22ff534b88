"""``scripts/docs``: writes the reference pages and builds the documentation into var/docs."""

import os
import subprocess
from collections.abc import Sequence

from .cli import UsageError, say
from .virtual_environment import DEVELOPMENT, PYTHON, ROOT, install

COMMANDS = (
    ("manage.py", "write_reference"),
    ("-m", "mkdocs", "build", "--strict", "--quiet"),
)


def main(arguments: Sequence[str]) -> int:
    if arguments:
        raise UsageError("scripts/docs takes no arguments")
    install(DEVELOPMENT)
    environment = os.environ | {"DUPDASH_ENV_FILE": "", "DEBUG": "true", "SANDBOX": "false", "NO_MKDOCS_2_WARNING": "1"}
    for command in COMMANDS:
        done = subprocess.run([PYTHON, *command], cwd=ROOT, env=environment, check=False)
        if done.returncode:
            return done.returncode
    say(f"The documentation is in {ROOT / 'var' / 'docs' / 'index.html'}")
    return 0
