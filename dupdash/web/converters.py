"""Pieces of addresses."""


class JobId:
    """The id of a job: 32 hexadecimal characters; anything else is no address of ours."""

    regex = "[0-9a-f]{32}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
