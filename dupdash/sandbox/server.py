"""Runs the sandbox, an embedded Moodle for tests and demonstrations::

    with Sandbox(speed=1000) as sandbox:
        requests.post(f"{sandbox.url}/webservice/rest/server.php", {"wstoken": sandbox.token, …})
        sandbox.state.by_shortname("BIO101-2026S1")

It uses the protocol of Moodle 4.5.6 as captured in ``tests/wire``. It imports nothing else of dupdash, so that dupdash
and the sandbox cannot share a mistake.
"""

from contextlib import AbstractContextManager
from typing import Self

from dupdash.sandbox.accounts import ADMIN_TOKEN
from dupdash.sandbox.asynchronous import Duplications
from dupdash.sandbox.control import PATH as CONTROL
from dupdash.sandbox.control import serve_control
from dupdash.sandbox.faults import Faults
from dupdash.sandbox.http_messages import Request, Reset, Response
from dupdash.sandbox.http_server import Listener
from dupdash.sandbox.moodle import Moodle, Offers
from dupdash.sandbox.pages import serve_page
from dupdash.sandbox.plugin import PluginDuplications
from dupdash.sandbox.records import Course
from dupdash.sandbox.rest import serve_function, serve_token
from dupdash.sandbox.running_copies import Copies
from dupdash.sandbox.seed import university
from dupdash.sandbox.state import State
from dupdash.sandbox.timing import Pace

# Of 40 copies of one source at a concurrency of 8, three collided (measured). So each of the 7 other copies collides
# with one copy in 90. This is the share of a copy's time for which the file of the backup is written.
COLLISION_WINDOW = 0.02


class Sandbox:
    def __init__(
        self,
        *,
        speed: float = 10.0,
        seed: str = "university",
        plugin: bool = False,
        proposed: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        collision_window: float = COLLISION_WINDOW,
    ) -> None:
        """``plugin`` adds the functions of the plugin. ``proposed`` adds only the two functions of MDL-64916.

        ``collision_window`` is the share of a backup in which a second backup of the same source collides with it: 0
        for never, 1 for always.
        """
        self.token = ADMIN_TOKEN
        self.state = State(university(seed))
        self.faults = Faults(seed)
        self._pace = Pace(speed)
        self.copies = Copies(self.state, self._pace, collision_window, seed)
        self.gates = self.copies.gates
        self.calls = self.copies.calls
        duplications = (PluginDuplications if plugin else Duplications)(self.copies, self._pace)
        offers: Offers = "plugin" if plugin else "proposed" if proposed else "nothing"
        self.moodle = Moodle(self.state, self._pace, self.copies, self.faults, duplications, offers)
        self._host, self._port = host, port
        self._listener: Listener | None = None

    # Start and stop

    def start(self) -> Self:
        self._listener = Listener(self._host, self._port, self._handle)
        self.faults.on_refuse = self._listener.shut_for
        self.moodle.url = self.url
        return self

    def stop(self) -> None:
        self._pace.stopping.set()
        if self._listener:
            self._listener.close()
        for copy in self.copies.all():
            copy.ended.wait(5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        if self._listener is None:
            raise RuntimeError("the sandbox was not started")
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 - read, not bound
        return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{self._listener.port}"

    # Inspection and waiting

    def course(self, shortname: str) -> Course:
        """Return the course with this short name. Raises ValueError unless there is exactly one."""
        (course,) = self.state.by_shortname(shortname)
        return course

    def held_at(self, *steps: str) -> AbstractContextManager[None]:
        """Hold copies in these steps (backup, hidden, renamed, content) while the context manager is active."""
        return self.gates.held_at(*steps)

    def wait_for_step(self, step: str, shortname: str | None = None, timeout: float = 10.0) -> None:
        """Wait until any copy, or the one with this requested short name, is in this step. Raises TimeoutError."""

        def arrived() -> bool:
            return any(copy.step == step and shortname in (None, copy.request.shortname) for copy in self.copies.all())

        if not self.copies.wait_until(arrived, timeout):
            raise TimeoutError(f"no copy reached the step {step} within {timeout} s")

    def wait_for_copies(self, timeout: float = 10.0) -> None:
        """Wait until no copy is running. Raises TimeoutError."""
        if not self.copies.wait_until(lambda: not self.copies.running(), timeout):
            raise TimeoutError(f"a copy still ran after {timeout} s")

    # Routing

    def _handle(self, request: Request) -> Response | Reset:
        if request.path == "/webservice/rest/server.php":
            return serve_function(self.moodle, request)
        if request.path == "/login/token.php":
            return serve_token(self.moodle, request)
        if request.path.startswith(CONTROL):
            return serve_control(self.moodle, request)
        return serve_page(self.moodle, request)
