"""Checks before the run that the site answers, the tokens have the needed functions, and sources and category exist."""

from collections import Counter
from collections.abc import Iterator

from ..cli import UsageError
from .moodle import DELETE, START_COPY, UPDATE, Course, MoodleClient, MoodleFault
from .settings import Site

READING = (
    "core_webservice_get_site_info",
    "core_course_get_categories",
    "core_course_get_courses_by_field",
    "core_course_get_contents",
)
# The functions that docs/moodle-setup.md requires for the token of dupdash.
NEEDED_BY_DUPDASH = (*READING, "core_course_search_courses", "core_course_duplicate_course", DELETE, UPDATE)


def check_site(site: Site) -> tuple[list[Course], list[str]]:
    """Check the site. Returns the sources, and the activities in them that the account of dupdash cannot see.

    Raises UsageError if the run cannot begin.
    """
    client = MoodleClient(site.url, site.own_token)
    if site.own_token != site.token:
        _check_functions(site.url, site.own_token, "ACCEPTANCE_TOKEN", (*READING, DELETE))
    _check_functions(site.url, site.token, "MOODLE_TOKEN", NEEDED_BY_DUPDASH)
    try:
        if not client.has_category(site.category):
            raise UsageError(f"there is no category {site.category} on {site.url}, or the account may not see it")
        sources = []
        for id in sorted({*site.sources, site.people_source}):
            course = client.course(id)
            if course is None:
                raise UsageError(f"there is no course {id} on {site.url}, or the account may not see it")
            sources.append(course)
        return sources, list(_not_seen(site, sources)) if site.own_token != site.token else []
    except MoodleFault as fault:
        raise UsageError(f"{site.url} cannot be read: {fault}") from None


def _check_functions(url: str, token: str, name: str, needed: tuple[str, ...]) -> None:
    try:
        functions = MoodleClient(url, token).functions()
    except MoodleFault as fault:
        advice = {
            "invalidtoken": f"{name} is no token of this site",
            "accessexception": f"the service of {name} lacks core_webservice_get_site_info",
        }.get(fault.errorcode, "is MOODLE_URL the address of a Moodle with web services switched on?")
        raise UsageError(f"{url} cannot be used: {advice} ({fault})") from None
    # A site with the plugin sets the dates itself.
    found = functions | {UPDATE} if START_COPY in functions else functions
    if missing := [function for function in needed if function not in found]:
        raise UsageError(f"the service of {name} lacks {', '.join(missing)}. Add them in Moodle's external services")


def _not_seen(site: Site, sources: list[Course]) -> Iterator[str]:
    """Yield a sentence for each kind of activities that the account of dupdash cannot see, and so cannot verify."""
    everything, dupdash = MoodleClient(site.url, site.own_token), MoodleClient(site.url, site.token)
    hidden: Counter[str] = Counter()
    for source in sources:
        hidden += _kinds(everything, source.id) - _kinds(dupdash, source.id)
    for kind, count in sorted(hidden.items()):
        yield (
            f"the account of MOODLE_TOKEN does not see {count} activities of type {kind} in the sources. Does its role "
            f"lack {view_capability(kind)}?"
        )


def view_capability(kind: str) -> str:
    """Return the capability without which Moodle hides activities of this kind."""
    return "mod/wiki:viewpage" if kind == "wiki" else f"mod/{kind}:view"


def _kinds(client: MoodleClient, course: int) -> Counter[str]:
    return Counter(kind for section in client.contents(course) for kind, _, _ in section.activities)
