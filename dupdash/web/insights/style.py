"""The colours of a drawing that stands alone, taken from the stylesheets of the pages: they are named only there."""

import re
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders

_TOKEN = re.compile(r"(--[\w-]+):\s*([^;]+);")
_USE = re.compile(r"var\((--[\w-]+)\)")
_RULE = re.compile(r"^\.(?:chart (?:text|\.)|series-).*\}$", re.MULTILINE)
_FRAME = ".chart { background: var(--surface); font-family: sans-serif; font-size: 12px; }"


@cache
def style() -> str:
    """The rules for charts in the light scheme, with every name of a colour but that of a series resolved."""
    first_block = _read("css/tokens.css").partition("}")[0]
    tokens = dict(_TOKEN.findall(first_block))
    rules = "\n".join([_FRAME, *_RULE.findall(_read("css/components.css"))])
    # A series' rule may name a token that is made of another one.
    for _ in range(3):
        rules = _USE.sub(lambda use: tokens.get(use[1], use[0]), rules)
    return rules


def _read(name: str) -> str:
    found = finders.find(name)
    return Path(found).read_text() if isinstance(found, str) else ""
