"""The exception for a file that cannot be read."""


class UnreadableFile(Exception):
    """The file cannot be read. The message tells a person why and what to do."""
