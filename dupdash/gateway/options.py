"""The ten duplication options, as Moodle takes them and as MDL-64916 proposed them."""

from dupdash.gateway.errors import invalid_option, invalid_parameter
from dupdash.gateway.parameters import Tree, branches, shown, text
from dupdash.moodle import options

_PAIR = {"name", "value"}


def options_by_name(name: str, given: Tree) -> dict[str, int]:
    """The options that were sent, by name; of one that was sent twice the last counts, as in Moodle.

    Both forms, mixed if need be: ``options[0][name]=users&options[0][value]=1`` and ``options[0][users]=1``. A name
    that is none and a value other than 0 and 1 are ``invalidextparam`` (measured; Moodle takes "1abc" for 1, which
    helps nobody).
    """
    chosen = {}
    for item in branches(name, given):
        if not isinstance(item, dict):
            raise invalid_parameter(f"{name}: a list of objects is expected")
        if _PAIR & set(item):
            if set(item) != _PAIR:
                raise invalid_parameter(f"{name}: an object with a name and a value is expected, and nothing else")
            pairs = {text(name, item["name"]): item["value"]}
        else:
            pairs = item
        for option, value in pairs.items():
            parsed = options.parse_value(option, value) if isinstance(value, str) else None
            if parsed is None:
                raise invalid_option(shown(option))
            chosen[option] = parsed
    return chosen
