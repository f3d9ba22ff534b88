"""Flattens parameters for Moodle's REST protocol."""

from collections.abc import Iterator, Mapping, Sequence

from dupdash.moodle.options import WireOption

Parameter = str | int | Sequence[WireOption] | Sequence[str | int] | Sequence[Mapping[str, int | str]]


def flattened(parameters: Mapping[str, Parameter]) -> list[tuple[str, str]]:
    """Return the parameters as pairs of a form, for example ``options[0][name]=users&options[0][value]=1``."""
    return [pair for key, value in parameters.items() for pair in _pairs(key, value)]


def _pairs(key: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for inner, item in value.items():
            yield from _pairs(f"{key}[{inner}]", item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _pairs(f"{key}[{index}]", item)
    else:
        yield key, str(value)
