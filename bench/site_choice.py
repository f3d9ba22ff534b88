"""Chooses the Moodle site for a benchmark: the sandbox, or the real site that MOODLE_URL names.

A real site also needs MOODLE_TOKEN, MOODLE_SOURCE_IDS (ids separated by commas) and MOODLE_CATEGORY, the category for
the copies. A benchmark deletes its own copies there.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from tests.chaos.environment import Installation


@dataclass(frozen=True)
class Site:
    url: str
    token: str
    # The id of each source with the category for its copies.
    sources: tuple[tuple[int, int], ...]

    @property
    def settings(self) -> dict[str, str]:
        return {"MOODLE_URL": self.url, "MOODLE_TOKEN": self.token}


def real_site() -> Site | None:
    """Return the site that the environment variables name, or None if MOODLE_URL is not set."""
    if not os.environ.get("MOODLE_URL"):
        return None
    try:
        category = int(os.environ["MOODLE_CATEGORY"])
        sources = tuple((int(id), category) for id in os.environ["MOODLE_SOURCE_IDS"].split(","))
        return Site(os.environ["MOODLE_URL"], os.environ["MOODLE_TOKEN"], sources)
    except (KeyError, ValueError) as missing:
        raise SystemExit(
            f"MOODLE_URL is set, so MOODLE_TOKEN, MOODLE_SOURCE_IDS and MOODLE_CATEGORY must be set too: {missing}"
        ) from missing


def sandbox_sources(
    installation: Installation, count: int, *, least: int = 1, most: int = 70
) -> tuple[tuple[int, int], ...]:
    """Return courses of the sandbox with these numbers of activities, each with its category."""
    courses = [course for course in installation.courses() if least <= course["modules"] <= most]
    return tuple((course["id"], course["category"]) for course in courses[:count])


def delete_copies(course_ids: Iterable[int]) -> None:
    """Delete the copies of a benchmark in Moodle, by the course ids in its jobs."""
    from dupdash.duplication.moodle_clients import open_client

    with open_client() as client:
        for course_id in course_ids:
            client.delete_course(course_id)
