"""Offers the categories in the request form: as a tree, with a filter, and with a suggestion for the new copy."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.contrib.auth.models import User
from msgspec.structs import asdict

from dupdash.accounts import access
from dupdash.duplication.moodle_health import no_category
from dupdash.duplication.name_display import in_one_language, isolate
from dupdash.duplication.search_text import fold_text
from dupdash.moodle.client import MoodleClient
from dupdash.moodle.errors import MoodleError
from dupdash.moodle.records import Category
from dupdash.web.name_suggestions import raised
from dupdash.web.safe_cache import cache_get, cache_set

# Categories change rarely, and the chosen one is checked in Moodle when the form is sent.
FRESH_FOR = 300
# An old list is used while Moodle does not answer.
KEPT_FOR = 24 * 3600
# A larger tree loads closed branches when they are opened. A branch shows at most SIBLINGS_MOST categories.
SENT_WHOLE = 200
SIBLINGS_MOST = 100
MATCHES_MOST = 50
# A smaller tree is shown open.
OPEN_BELOW = 20


@dataclass
class Node:
    """A category in the tree of the form."""

    id: int
    name: str
    disabled: bool
    # This category or one above it is hidden, so students see no course in it.
    hidden: bool = False
    children: list["Node"] = field(default_factory=list)
    open: bool = False
    # It has children, which are loaded when somebody opens it.
    lazy: bool = False
    # How many children are left out.
    more: int = 0


@dataclass(frozen=True)
class Match:
    """A category that a filter found. ``path``: its name after the names of the categories above it."""

    id: int
    path: str
    hidden: bool = False


@dataclass(frozen=True)
class CategoryChoices:
    """The tree, or the matches of a filter.

    ``chosen``: the chosen category, if it is not among the matches. ``trouble``: why there are no categories, or "".
    """

    nodes: Sequence[Node] = ()
    more: int = 0
    query: str = ""
    matches: Sequence[Match] = ()
    more_matches: int = 0
    selected: int | None = None
    chosen: Match | None = None
    trouble: str = ""

    @property
    def known(self) -> bool:
        """Whether the categories were loaded, so that the form shows them and the filter."""
        return bool(self.nodes or self.query)


def categories(client: MoodleClient) -> tuple[Category, ...]:
    """Return all categories, at most a few minutes old, or at most a day old if Moodle does not answer.

    Raises MoodleError if Moodle does not answer and none are cached, or if Moodle shows no category.
    """
    known = _kept(client.site_url)
    if known and time.time() - known[0] < FRESH_FOR:
        return known[1]
    try:
        fresh = client.categories()
    except MoodleError:
        if known:
            return known[1]
        raise
    if not fresh:
        raise no_category()
    _keep(client.site_url, fresh)
    return fresh


def category_choices(
    all_of_them: Sequence[Category], user: User, *, query: str = "", selected: int | None = None
) -> CategoryChoices:
    """Return the categories that match the filter ``query``.

    Without a filter, return the tree, in which the categories above the chosen category ``selected`` are open.
    """
    words = fold_text(query).split()
    if words:
        return _filtered(all_of_them, user, query.strip(), words, selected)
    nodes = tree(all_of_them, user)
    opened = _open_to(nodes, selected)
    if not opened and len(all_of_them) < OPEN_BELOW:
        for node in nodes:
            node.open = True
    if len(all_of_them) > SENT_WHOLE:
        _fold(nodes)
    shown, more = _first(nodes, selected)
    return CategoryChoices(shown, more, selected=selected)


def children_of(category_id: int, all_of_them: Sequence[Category], user: User) -> tuple[Sequence[Node], int]:
    """Return the direct subcategories of a category, at most SIBLINGS_MOST, and the number of the others."""
    node = _find(tree(all_of_them, user), category_id)
    if node is None:
        return (), 0
    _fold(node.children)
    return _first(node.children, None)


def tree(all_of_them: Iterable[Category], user: User) -> list[Node]:
    """Return the tree of the categories that this person may copy into.

    The categories above one of them are shown but cannot be chosen, so that everybody knows which "Semester 1" is
    meant.
    """
    top: list[Node] = []
    nodes: dict[int, Node] = {}
    for category in sorted(all_of_them, key=lambda category: (category.depth, category.sortorder)):
        parent = nodes.get(category.parent)
        hidden = category.visible is False or (parent is not None and parent.hidden)
        node = Node(category.id, category.name, not access.may_copy_into(user, category), hidden)
        nodes[category.id] = node
        # The children of a category that the account may not see are shown at the top.
        (parent.children if parent else top).append(node)
    return _offered(top)


def is_hidden(category_id: int | None, all_of_them: Iterable[Category]) -> bool:
    """Return whether a category, or one above it, is hidden from students."""
    known = {category.id: category for category in all_of_them}
    return any(step.visible is False for step in _steps(category_id, known))


def path_of(category_id: int | None, all_of_them: Iterable[Category]) -> str:
    """Return the names of a category and those above it, such as "Faculty of Science / 2027 Semester 1".

    Returns "" if there is no such category.
    """
    known = {category.id: category for category in all_of_them}
    return " / ".join(isolate(step.name) for step in _steps(category_id, known))


def category_for_copy(source_category: int, years: int, all_of_them: Sequence[Category], user: User) -> int | None:
    """Return the most likely category of a copy whose term is ``years`` after that of its source.

    For one year, "Science / 2026 Semester 1" becomes "Science / 2027 Semester 1" if that exists; otherwise the source's
    own category is returned. Returns None if this person may not copy into either, or if the source's category is
    unknown.
    """
    known = {category.id: category for category in all_of_them}
    names = [step.name for step in _steps(source_category, known)]
    if not names:
        return None
    allowed = {category.id for category in all_of_them if access.may_copy_into(user, category)}
    wanted = [_comparable(raised(name, max(years, 1)) or name) for name in names]
    for category in all_of_them:
        if category.depth == len(names) and category.id in allowed:
            steps = _steps(category.id, known)
            if [_comparable(step.name) for step in steps] == wanted:
                return category.id
    return source_category if source_category in allowed else None


def _comparable(name: str) -> str:
    return " ".join(name.casefold().split())


def _steps(category_id: int | None, known: dict[int, Category]) -> list[Category]:
    """Return the path of a category: from the top category down to it; empty if there is no such category."""
    category = known.get(category_id or 0)
    if category is None:
        return []
    path = (int(step) for step in category.path.strip("/").split("/") if step.isdigit())
    return [known[step] for step in path if step in known]


def _filtered(
    all_of_them: Sequence[Category], user: User, query: str, words: list[str], selected: int | None
) -> CategoryChoices:
    """Return the categories whose path contains every word, at most MATCHES_MOST.

    Categories whose own name begins with the first word come first.
    """
    known = {category.id: category for category in all_of_them}
    found: list[tuple[bool, int, Match]] = []
    for category in all_of_them:
        steps = _steps(category.id, known)
        folded = fold_text(" / ".join(in_one_language(step.name) for step in steps))
        if all(word in folded for word in words) and access.may_copy_into(user, category):
            own_name_first = fold_text(in_one_language(category.name)).startswith(words[0])
            found.append((not own_name_first, category.sortorder, _match(steps)))
    found.sort(key=lambda one: one[:2])
    matches = [match for _, _, match in found[:MATCHES_MOST]]
    chosen = None
    if selected is not None and selected not in {match.id for match in matches}:
        steps = _steps(selected, known)
        chosen = _match(steps) if steps else None
    return CategoryChoices(
        query=query,
        matches=matches,
        more_matches=max(0, len(found) - MATCHES_MOST),
        selected=selected,
        chosen=chosen,
    )


def _match(steps: list[Category]) -> Match:
    path = " / ".join(isolate(step.name) for step in steps)
    return Match(steps[-1].id, path, any(step.visible is False for step in steps))


def _offered(nodes: list[Node]) -> list[Node]:
    for node in nodes:
        node.children = _offered(node.children)
    return [node for node in nodes if node.children or not node.disabled]


def _open_to(nodes: Iterable[Node], selected: int | None) -> bool:
    """Open the categories above the chosen one. Returns whether the chosen one was found."""
    for node in nodes:
        if _open_to(node.children, selected):
            node.open = True
            node.children, node.more = _first(node.children, selected)
            return True
        if node.id == selected:
            return True
    return False


def _fold(nodes: Iterable[Node]) -> None:
    """Remove the children of closed categories from the tree. The page loads them when a person opens the category."""
    for node in nodes:
        if node.children and not node.open:
            node.children, node.lazy, node.more = [], True, 0
        else:
            _fold(node.children)


def _first(nodes: list[Node], selected: int | None) -> tuple[list[Node], int]:
    """Return at most SIBLINGS_MOST categories, plus the chosen and the open ones, and the number of the others."""
    if len(nodes) <= SIBLINGS_MOST:
        return nodes, 0
    kept = nodes[:SIBLINGS_MOST]
    kept += [node for node in nodes[SIBLINGS_MOST:] if node.open or node.id == selected]
    return kept, len(nodes) - len(kept)


def _find(nodes: Iterable[Node], category_id: int) -> Node | None:
    for node in nodes:
        if node.id == category_id:
            return node
        if (found := _find(node.children, category_id)) is not None:
            return found
    return None


def _kept(site_url: str) -> tuple[float, tuple[Category, ...]] | None:
    stored = cache_get(f"categories:{site_url}")
    if not stored:
        return None
    try:
        return float(stored[0]), tuple(Category(**category) for category in stored[1])
    except (TypeError, ValueError, LookupError):
        # Another version of dupdash stored it.
        return None


def _keep(site_url: str, fresh: tuple[Category, ...]) -> None:
    cache_set(f"categories:{site_url}", (time.time(), [asdict(category) for category in fresh]), KEPT_FOR)
