"""Describes components that several pages have, as their templates show them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tab:
    """A tab of ``components/_tabs.html``."""

    label: str
    url: str
    current: bool
    count: int | None = None


@dataclass(frozen=True)
class Figure:
    """A number of ``components/_figures.html``, with its label. ``tone``: warning or danger if a person must act."""

    value: int | str
    label: str
    url: str = ""
    tone: str = ""
