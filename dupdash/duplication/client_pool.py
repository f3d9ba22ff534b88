"""Lends Moodle clients to several threads. Each client is lent to one thread at a time."""

import contextlib
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Self

from dupdash.moodle.client import MoodleClient


class ClientPool:
    """A context manager that lends clients. It opens a client only if none is free, and closes all of them at the end.

    The threads must have returned their clients before the end of the ``with`` block.
    """

    def __init__(self, open_client: Callable[[], MoodleClient]) -> None:
        self._open_client = open_client
        self._free: SimpleQueue[MoodleClient] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._free.get_nowait().close()

    @contextlib.contextmanager
    def borrow(self) -> Iterator[MoodleClient]:
        """Lend a client to the ``with`` block: one that is free, or a new one."""
        try:
            client = self._free.get_nowait()
        except Empty:
            client = self._open_client()
        try:
            yield client
        finally:
            self._free.put(client)
