"""Holds the state of the sandbox site: tables, running copies, switches and faults."""

import time
from dataclasses import dataclass, field
from typing import Literal

from dupdash.sandbox.asynchronous import Duplications
from dupdash.sandbox.faults import Faults
from dupdash.sandbox.plugin import PluginDuplications
from dupdash.sandbox.records import Course
from dupdash.sandbox.running_copies import Copies
from dupdash.sandbox.state import State
from dupdash.sandbox.timing import Pace

Offers = Literal["nothing", "proposed", "plugin"]


@dataclass
class Switches:
    """Settings that an administrator of the site can change."""

    webservices: bool = True
    maintenance: bool = False
    # Whether every token is refused, as if an administrator had deleted all tokens.
    tokens_revoked: bool = False
    # Functions that were removed from every service.
    withdrawn: frozenset[str] = field(default_factory=frozenset)
    # Capabilities that the role of the service account lacks.
    missing_capabilities: frozenset[str] = field(default_factory=frozenset)
    # The site's own URL (wwwroot), if it differs from the URL that clients use.
    siteurl: str = ""

    def lacks(self, capability: str, course: Course) -> bool:
        """Return whether the service account lacks a capability in a course.

        A copy's creator is a teacher in it, and so has the ``mod/`` capabilities there.
        """
        is_teacher = course.origin == "copy" and capability.startswith("mod/")
        return capability in self.missing_capabilities and not is_teacher


@dataclass
class Moodle:
    """The simulated site, as the web service functions use it."""

    state: State
    pace: Pace
    copies: Copies
    faults: Faults
    duplications: Duplications | PluginDuplications
    # The functions that the site has in addition to those of a stock Moodle.
    offers: Offers = "nothing"
    url: str = ""
    switches: Switches = field(default_factory=Switches)

    def now(self) -> int:
        return int(time.time())
