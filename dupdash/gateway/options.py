"""Parses the duplication options of a start call, in Moodle's format and in the format of MDL-64916."""

from dupdash.gateway.errors import invalid_option, invalid_parameter
from dupdash.gateway.parameters import Tree, branches, shown, text
from dupdash.moodle import options

_PAIR = {"name", "value"}


def options_by_name(name: str, given: Tree) -> dict[str, int]:
    """Return the options that were sent, keyed by name. If one was sent twice, the last value counts, as in Moodle.

    Both formats are accepted, and may be mixed: ``options[0][name]=users&options[0][value]=1`` and
    ``options[0][users]=1``. An unknown name or value raises ServiceError (``invalidextparam``), as in Moodle. Unlike
    in Moodle, "1abc" is not a valid value.
    """
    chosen = {}
    for item in branches(name, given):
        if not isinstance(item, dict):
            raise invalid_parameter(f"{name}: a list of objects is expected")
        if _PAIR & set(item):
            if set(item) != _PAIR:
                raise invalid_parameter(f"{name}: an object with only a name and a value is expected")
            pairs = {text(name, item["name"]): item["value"]}
        else:
            pairs = item
        for option, value in pairs.items():
            parsed = options.parse_value(option, value) if isinstance(value, str) else None
            if parsed is None:
                raise invalid_option(shown(option))
            chosen[option] = parsed
    return chosen
