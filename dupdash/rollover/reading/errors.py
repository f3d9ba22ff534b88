"""Why a file cannot be read."""


class UnreadableFile(Exception):
    """The file cannot be read; the message says why and what to do, for a person."""
