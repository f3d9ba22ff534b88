"""Puts numbers into sentences, in the singular or in the plural."""


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun: "1 section", "3 sections". ``many``: the plural if it is not ``one`` with an s."""
    return f"{count} {one}" if count == 1 else f"{count} {many or one + 's'}"


def times(count: int) -> str:
    """Return how often something happened: "once" or, for example, "3 times"."""
    return "once" if count == 1 else f"{count} times"
