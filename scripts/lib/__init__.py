"""Implements the programs in ``scripts/`` with the standard library only, because they run before any installation.

This file uses only syntax that old versions of Python understand, so that it can report a version that is too old.
"""

import os
import shutil
import sys
from importlib import import_module

OLDEST = (3, 11)
# These are tried if ``python3`` is too old, because a later version is often installed, too.
LATER = ("python3.14", "python3.13", "python3.12", "python3.11")
# The name of each script, and the module that implements it.
MODULES = {
    "acceptance": "acceptance.main",
    "demo": "demo",
    "test": "tests",
    "check": "checks",
    "docs": "docs",
    "screenshots": "screenshots",
    "audit_pages": "audit_pages",
}


def start(name: str) -> None:
    """Run ``main`` of a module of this package as a script, in a Python that is new enough."""
    if sys.version_info < OLDEST:
        _go_on_in_a_later_python(name)
    cli = import_module(".cli", __name__)
    cli.run(name, import_module("." + MODULES[name], __name__).main)


def _go_on_in_a_later_python(name: str) -> None:
    for later in LATER:
        path = shutil.which(later)
        if path:
            os.execv(path, [path, *sys.argv])
    version = "{}.{}".format(*sys.version_info[:2])
    sys.exit(
        f"{name}: needs Python 3.11 or later, and this is {version}. Install one (your distribution's python3.11 or "
        "later, or python.org's) and run it again"
    )
