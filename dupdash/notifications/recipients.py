"""Decides who is notified of an event, and through which channels."""

from collections.abc import Iterable, Iterator

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db.models import QuerySet

from dupdash.accounts import access
from dupdash.accounts.role_members import people_who_see_all_jobs
from dupdash.duplication.models import JobEvent
from dupdash.notifications.models import Channel, Notification
from dupdash.notifications.preferences import others_topics, own_topics, preferences_of
from dupdash.notifications.topics import Topic, When, topics_of

CHANNELS = {When.NOW: Channel.MAIL, When.DAILY: Channel.DAILY}


class RecipientCache:
    """Finds the recipients of many events, and reads each possible recipient from the database only once."""

    def __init__(self) -> None:
        self._watchers: list[User] | None = None
        self._requesters: dict[int, User | None] = {}

    def notifications(self, event: JobEvent) -> list[Notification]:
        """Return the unsaved notifications of one event: at most one for each person and channel."""
        return [
            Notification(event=event, recipient=person, channel=channel, topic=topic)
            for person, topic in self._recipients(event)
            for channel in _channels(person, topic, own=person.pk == event.job.requester_id)
        ]

    def _recipients(self, event: JobEvent) -> Iterator[tuple[User, Topic]]:
        topics = topics_of(event)
        requester = self._requester(event.job.requester_id)
        if requester:
            for topic in topics:
                # People are not notified of their own actions, except by a confirmation of their requests.
                if topic in own_topics(requester) and (topic == Topic.REQUESTED or event.actor_id != requester.pk):
                    yield requester, topic
        for person in self._all_watchers():
            if person.pk not in (event.job.requester_id, event.actor_id):
                for topic in topics:
                    if topic in others_topics(person):
                        yield person, topic

    def _requester(self, user_id: int | None) -> User | None:
        if user_id is None:
            return None
        if user_id not in self._requesters:
            self._requesters[user_id] = reachable(get_user_model().objects.filter(pk=user_id)).first()
        return self._requesters[user_id]

    def _all_watchers(self) -> Iterable[User]:
        if self._watchers is None:
            people = reachable(people_who_see_all_jobs())
            self._watchers = [person for person in people if access.sees_all_jobs(person)]
        return self._watchers


def reachable(people: QuerySet[User]) -> QuerySet[User]:
    """Return the people who can sign in, with their preferences loaded."""
    return people.filter(is_active=True).select_related("preferences").order_by("pk")


def has_address(person: User) -> bool:
    return bool(person.email.strip())


def _channels(person: User, topic: Topic, *, own: bool) -> list[Channel]:
    when = (own_topics(person) if own else others_topics(person))[topic]
    channels = [CHANNELS[when]] if when in CHANNELS and has_address(person) else []
    # Messages on the page: results of own copies, and requests that wait for the person's approval.
    on_page = topic != Topic.REQUESTED if own else topic == Topic.APPROVAL
    if on_page and preferences_of(person).toasts:
        channels.append(Channel.PAGE)
    return channels
