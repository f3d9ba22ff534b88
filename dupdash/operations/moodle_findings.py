"""Examines whether dupdash can work with the configured Moodle, by reading only."""

from collections.abc import Iterator

from django.conf import settings

from dupdash.duplication import driver_choice, missing_capabilities, moodle_health
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.driver_abilities import PLUGIN
from dupdash.moodle.errors import ConfigurationFault, MoodleError
from dupdash.moodle.records import UNKNOWN_SITE, SiteInfo
from dupdash.operations.host_findings import Finding, Level

ADD_CAPABILITIES = (
    "Allow them in the role of the account in Moodle: Site administration, Users, Permissions, Define roles. The role "
    "must be assigned to the account in the system context."
)


def examine_moodle(client: MoodleClient) -> Iterator[Finding]:
    """Yield findings about the site, its functions, its categories and the capabilities of the service account.

    A problem that prevents the further examinations is the last finding.
    """
    try:
        yield from _examine(client)
    except ConfigurationFault as fault:
        yield Finding(Level.PROBLEM, "Moodle", _with_cause(fault))
    except MoodleError as error:
        yield Finding(Level.PROBLEM, "Moodle", f"{_with_cause(error)} Is {settings.MOODLE_URL} the URL of the site?")


def _examine(client: MoodleClient) -> Iterator[Finding]:
    site = moodle_health.ask_site(client)
    yield from _describe(site)
    if missing := driver_choice.missing_functions(site):
        text = f"The token may not call: {', '.join(missing)}."
        yield Finding(Level.PROBLEM, "Functions", text, moodle_health.ADD_FUNCTIONS)
        return
    categories = client.categories()
    if not categories:
        raise moodle_health.no_category()
    yield Finding(Level.OK, "Categories that the service account sees", str(len(categories)))
    yield from _capabilities(client, plugin=driver_choice.choose_driver(site) == PLUGIN)
    for left_out in client.left_out:
        yield Finding(Level.WARNING, "Answers", f"Left out of an answer, because it could not be read: {left_out}")


def _describe(site: SiteInfo) -> Iterator[Finding]:
    if site is UNKNOWN_SITE:
        yield Finding(
            Level.WARNING,
            "Site",
            "The site cannot return its site info (core_webservice_get_site_info answers “invalidresponse”). One of "
            "its fields has an invalid value, for example the URL of the account’s picture. dupdash works "
            "without it, but does not know which functions the token may call.",
        )
    else:
        kind = "a site administrator" if site.is_site_admin else "not a site administrator"
        yield Finding(Level.OK, "Site", f"{site.sitename} ({site.siteurl})")
        yield Finding(Level.OK, "Version", f"Moodle {site.release}")
        yield Finding(Level.OK, "Account", f"{site.username}, {kind}")
        if difference := moodle_health.url_difference(site.siteurl, settings.MOODLE_URL):
            yield Finding(Level.WARNING, "Site", difference)
    yield Finding(Level.OK, "Driver", driver_choice.choose_driver(site))
    yield _plugin(site)
    for name, loss in driver_choice.OPTIONAL.items():
        if site.lacks(name):
            yield Finding(Level.WARNING, "Functions", f"Without {name} {loss}.")


GAINS = (
    "exact progress, dates of activities that move with the start date, enrolment methods without people, copies that "
    "can be stopped, and a report of what was not copied"
)


def _plugin(site: SiteInfo) -> Finding:
    offered = [name for name in driver_choice.SERVICES[PLUGIN] if site.offers(name)]
    missing = [name for name in driver_choice.SERVICES[PLUGIN] if name not in offered]
    if not missing:
        return Finding(Level.OK, "Plugin", f"its functions are offered: {GAINS}.")
    if offered:
        text = f"Some functions of the Moodle plugin are missing: {', '.join(missing)}."
        return Finding(Level.WARNING, "Plugin", text, moodle_health.ADD_FUNCTIONS)
    text = f"not installed, or the token may call none of its functions. The Moodle plugin adds: {GAINS}."
    return Finding(Level.OK, "Plugin", f"{text} docs/moodle-setup.md, “The plugin”, says how to install it.")


def _capabilities(client: MoodleClient, *, plugin: bool) -> Iterator[Finding]:
    missing = missing_capabilities.missing(client, plugin=plugin)
    if missing is None:
        yield Finding(
            Level.WARNING,
            "Capabilities",
            "The account sees no course, so its capabilities could not be checked.",
        )
        return
    by_loss: dict[str, list[str]] = {}
    for capability in missing:
        if capability.required:
            text = f"The account lacks the capability {capability.name}: {capability.loss}."
            yield Finding(Level.PROBLEM, "Capabilities", text, ADD_CAPABILITIES)
        else:
            by_loss.setdefault(capability.loss, []).append(capability.name)
    for loss, names in by_loss.items():
        kind = "capability" if len(names) == 1 else "capabilities"
        text = f"The account lacks the {kind} {', '.join(names)}: {loss}."
        yield Finding(Level.WARNING, "Capabilities", text, ADD_CAPABILITIES)


def _with_cause(error: MoodleError) -> str:
    """Return the message of an error, and what Moodle adds about the cause if debugging is on in Moodle."""
    debuginfo = error.raw_error.debuginfo if error.raw_error else ""
    return f"{error} Moodle adds: {debuginfo}" if debuginfo else str(error)
