"""The site as a whole: its tables, its running copies, its switches, its faults."""

from __future__ import annotations

from dataclasses import dataclass, field

from dupdash.sandbox.asynchronous import Duplications
from dupdash.sandbox.duplication import Copies
from dupdash.sandbox.faults import Faults
from dupdash.sandbox.records import Course
from dupdash.sandbox.state import State
from dupdash.sandbox.timing import Pace


@dataclass
class Switches:
    """What an administrator of the site can turn on and off."""

    webservices: bool = True
    maintenance: bool = False
    # Every token is refused, as after a token was deleted.
    tokens_revoked: bool = False
    # Taken out of every service.
    withdrawn: frozenset[str] = field(default_factory=frozenset)
    # Capabilities that the role of the service account does without.
    missing_capabilities: frozenset[str] = field(default_factory=frozenset)
    # What the site calls itself, where that is not the address at which it is asked.
    siteurl: str = ""

    def lacks(self, capability: str, course: Course) -> bool:
        """Whether the service account does without a capability in a course. In its copies it is a teacher."""
        is_teacher = course.origin == "copy" and capability.startswith("mod/")
        return capability in self.missing_capabilities and not is_teacher


@dataclass
class Moodle:
    state: State
    pace: Pace
    copies: Copies
    faults: Faults
    duplications: Duplications
    native: bool
    url: str = ""
    switches: Switches = field(default_factory=Switches)

    def reset(self) -> None:
        """Courses, counts, faults and switches as on a fresh start; the speed stays."""
        self.faults.clear()
        self.faults.struck.clear()
        self.copies.gates.release()
        self.copies.calls.clear()
        self.duplications.clear()
        self.switches = Switches()
        self.state.reset()
