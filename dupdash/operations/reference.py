"""Writes the reference pages of the documentation from the source code: settings, commands and errors."""

import re
from argparse import Action
from collections.abc import Iterator
from pathlib import Path

from django.core.management import get_commands, load_command_class

from dupdash.duplication.advice import Reader, advice
from dupdash.duplication.explanations import EXPLANATIONS, UNKNOWN

# Advice depends on what the reader may do. The reference gives the advice for an administrator.
ADMINISTRATOR = Reader(is_administrator=True, can_retry=True, can_edit=True, can_delete=True)
SETTING = re.compile(r"#?([A-Z][A-Z0-9_]*)=(.*)")


def write_pages(env_example: Path, folder: Path) -> None:
    """Write each page into ``folder``, which is created if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "settings.md": settings_page(env_example.read_text(encoding="utf-8")),
        "commands.md": commands_page(),
        "errors.md": errors_page(),
    }
    for name, lines in pages.items():
        (folder / name).write_text("\n".join(lines), encoding="utf-8")


def settings_page(example: str) -> Iterator[str]:
    """Yield the lines of a page with a table for each section of ``.env.example``.

    The comment above a setting explains it.
    """
    yield from ("# Settings", "")
    yield "Settings come from the environment, or from the file that `DUPDASH_ENV_FILE` names, else from `.env`."
    meaning: list[str] = []
    after_setting = True
    for line in example.splitlines():
        if line.startswith("# ---"):
            yield from ("", f"## {line.strip('# -')}", "", "| setting | default | meaning |", "|---|---|---|")
        elif found := SETTING.fullmatch(line):
            # Several settings may follow one comment.
            yield f"| `{found[1]}` | {_code(found[2])} | {_cell(' '.join(meaning))} |"
            after_setting = True
        elif line.startswith("# "):
            meaning = [line[2:]] if after_setting else [*meaning, line[2:]]
            after_setting = False
        else:
            after_setting = True
    yield ""


def commands_page() -> Iterator[str]:
    """Yield the lines of a page with the help of each command of dupdash."""
    yield from ("# Commands", "", "Run each as `manage.py NAME`.", "")
    # Commands of the sandbox are left out, because no production installation has them.
    ours = {
        name: app for name, app in get_commands().items() if app.startswith("dupdash.") and app != "dupdash.sandbox"
    }
    for name, app in sorted(ours.items()):
        command = load_command_class(app, name)
        parser = command.create_parser("manage.py", name)
        yield from (f"## {name}", "", _cell(command.help), "")
        own = [action for action in parser._actions if action.dest not in GENERAL]
        if own:
            yield from ("| argument | meaning |", "|---|---|")
            yield from (f"| `{_cell(_shown(action))}` | {_cell(action.help or '')} |" for action in own)
            yield ""


def errors_page() -> Iterator[str]:
    """Yield the lines of a page with each error code of a failed copy: what happened, what it means, what to do."""
    yield from ("# Errors of a copy", "")
    yield "The page of a failed copy shows the code, these sentences, and Moodle's own message."
    yield from ("", "| code | what happened | what it means | what to do |", "|---|---|---|---|")
    for code, one in [*EXPLANATIONS.items(), ("any other", UNKNOWN)]:
        name = f"`{code}`" if code in EXPLANATIONS else code
        yield f"| {name} | {_cell(one.happened)} | {_cell(one.means)} | {_cell(advice(one, ADMINISTRATOR))} |"
    yield ""


# The arguments of every Django command.
GENERAL = frozenset(
    {"help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color", "skip_checks"}
)


def _shown(action: Action) -> str:
    """Return an argument as a person types it."""
    if action.choices is not None:
        return " | ".join(map(str, action.choices))
    if not action.option_strings:
        return str(action.metavar or action.dest)
    name = ", ".join(action.option_strings)
    return name if action.nargs == 0 else f"{name} {action.metavar or action.dest.upper()}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
