"""Creates the sandbox's university: about 200 courses of four terms in three levels of categories.

A fifth term is empty. The same seed always creates the same university.
"""

import calendar
import datetime
import random
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from dupdash.sandbox.records import DEFAULT_ENROLMENT_METHODS, Category, Course, Module, Section, University, User
from dupdash.sandbox.seed_data import AWKWARD, DEPARTMENTS, FIRST_NAMES, LAST_NAMES, TERMS, Department

SITENAME = "Sandbox University"
# Most courses have a few dozen activities. These courses have the numbers with which Moodle was measured, or none.
ACTIVITIES = {
    "NUR101-2026S1": 307,
    "COM110-2026S1": 296,
    "BIO101-2026S1": 64,
    "AT&T": 5,
    "5>3": 5,
    "SHELL": 0,
}

# The faculty member of the demonstration teaches these courses.
FACULTY_ID = 4
FACULTY_TEACHES = ("BIO101-2026S1", "BIO210-2026S1", "BIO304-2026S1", "MAT115-2026S1", "BIO120-2026S2", "AT&T")

_STAFF_IDS = range(10, 400)
_STUDENT_IDS = range(1003, 9000)

_KINDS = (
    # modname, weight, name
    ("page", 5, "Reading: {topic}"),
    ("resource", 6, "Lecture slides: {topic}"),
    ("url", 3, "Video: {topic}"),
    ("forum", 3, "Discussion: {topic}"),
    ("quiz", 4, "Quiz {n}: {topic}"),
    ("assign", 3, "Assignment {n}: {topic}"),
    ("folder", 2, "Worksheets: {topic}"),
    ("label", 2, "This week: {topic}"),
    ("book", 1, "Study guide: {topic}"),
    ("lesson", 1, "Interactive lesson: {topic}"),
    ("glossary", 1, "Glossary: {topic}"),
    ("choice", 1, "Poll: {topic}"),
    ("h5pactivity", 1, "Practice: {topic}"),
    ("workshop", 1, "Peer review: {topic}"),
    ("wiki", 1, "Group notes: {topic}"),
    ("feedback", 1, "Feedback: {topic}"),
)


def _timestamp(year: int, month: int, day: int) -> int:
    return calendar.timegm(datetime.date(year, month, day).timetuple())


_TERM_DATES = {
    term: (_timestamp(int(term[:4]), 2, 23), _timestamp(int(term[:4]), 6, 26))
    if term.endswith("S1")
    else (_timestamp(int(term[:4]), 7, 27), _timestamp(int(term[:4]), 11, 27))
    for term, _ in TERMS
}
_FOUNDED = _timestamp(2024, 11, 4)
_WEEK, _NOON = 7 * 86_400, 43_200
# The fields of the two dates of an activity.
_DATES = {"assign": ("allowsubmissionsfromdate", "duedate"), "quiz": ("timeopen", "timeclose")}


@lru_cache(maxsize=4)
def university(seed: str) -> University:
    return _Builder(random.Random(seed)).build()  # noqa: S311 - nothing secret


@dataclass
class _Builder:
    """Builds the university. Ids have gaps, as on a site that is some years old."""

    rng: random.Random
    courseid: int = 2
    moduleid: int = 900
    sectionid: int = 300

    def build(self) -> University:
        self.users = _standing_users() + self._staff(110) + self._students(240)
        self.staff = [user.id for user in self.users if user.id in _STAFF_IDS]
        self.students = [user.id for user in self.users if user.id in _STUDENT_IDS]
        self.categories: list[Category] = []
        self.courses = [_front_page()]
        for department in DEPARTMENTS:
            self._add_department(department)
        self._add_special()
        return University(
            SITENAME,
            tuple(self.categories),
            tuple(self.users),
            tuple(self.courses),
            self.courseid + 1,
            self.moduleid + 1,
            self.sectionid + 1,
        )

    # People

    def _staff(self, how_many: int) -> list[User]:
        staff: dict[str, User] = {}
        userids = iter(_STAFF_IDS)
        while len(staff) < how_many:
            first, last = self.rng.choice(FIRST_NAMES), self.rng.choice(LAST_NAMES)
            username = "".join(filter(str.isalpha, f"{first[0]}{last}".lower().replace("ü", "u")))
            if username not in staff:
                staff[username] = User(next(userids), username, first, last, f"{username}@example.edu")
        return list(staff.values())

    def _students(self, how_many: int) -> list[User]:
        return [
            User(
                userid,
                f"s{100_000 + userid}",
                self.rng.choice(FIRST_NAMES),
                self.rng.choice(LAST_NAMES),
                f"s{100_000 + userid}@student.example.edu",
            )
            for userid in _STUDENT_IDS[:how_many]
        ]

    # Categories

    def _add_category(self, name: str, parent: Category | None, idnumber: str | None) -> Category:
        categoryid = len(self.categories) + 2
        path = f"{parent.path if parent else ''}/{categoryid}"
        category = Category(
            id=categoryid,
            name=name,
            parent=parent.id if parent else 0,
            sortorder=10_000 * (len(self.categories) + 1),
            depth=path.count("/"),
            path=path,
            idnumber=idnumber,
            timemodified=_FOUNDED,
        )
        self.categories.append(category)
        return category

    def _faculty(self, name: str) -> Category:
        known = next((category for category in self.categories if category.name == name), None)
        return known or self._add_category(name, None, None)

    # Courses

    def _add_department(self, department: Department) -> None:
        school = self._add_category(department.name, self._faculty(department.faculty), department.prefix)
        terms = {term: self._add_category(name, school, f"{department.prefix}-{term}").id for term, name in TERMS}
        teachers = self.rng.sample(self.staff, 9)
        for position, (number, title) in enumerate(department.subjects):
            code = f"{department.prefix}{number}"
            half = "S1" if position % 2 == 0 or code == "BIO210" else "S2"
            for term in ("2025" + half, "2026" + half):
                self._add_course(title, f"{code}-{term}", terms[term], term, department.topics, teachers)

    def _add_special(self) -> None:
        special = self._add_category("Templates and Special Programmes", None, "SPECIAL")
        for fullname, shortname in AWKWARD:
            topics = self.rng.choice(DEPARTMENTS).topics
            self._add_course(fullname, shortname, special.id, "2026S2", topics, self.staff)

    def _add_course(
        self,
        fullname: str,
        shortname: str,
        categoryid: int,
        term: str,
        topics: tuple[str, ...],
        teachers: list[int],
    ) -> None:
        rng = self.rng
        start, end = _TERM_DATES[term]
        created = start - rng.randrange(20, 60) * 86_400
        taught_by = tuple(rng.sample(teachers, rng.choice((1, 1, 1, 2, 3))))
        standing = shortname in FACULTY_TEACHES
        self.courseid += rng.choice((1, 1, 1, 2, 4))
        self.courses.append(
            Course(
                id=self.courseid,
                fullname=fullname[:254].strip(),
                shortname=shortname,
                categoryid=categoryid,
                visible=1 if standing or rng.random() >= 0.05 else 0,
                idnumber=f"{shortname}-{rng.randrange(10_000, 99_999)}" if rng.random() < 0.4 else "",
                summary=f"<p>{topics[0]}, {topics[1].lower()}, {topics[2].lower()} and more.</p>",
                startdate=start,
                enddate=end,
                timecreated=created,
                timemodified=created + rng.randrange(1, 30) * 86_400,
                teachers=(FACULTY_ID, *taught_by) if standing else taught_by,
                students=tuple(rng.sample(self.students, rng.randrange(8, 60))),
                sections=_dated(self._sections(topics, self._how_many_activities(shortname)), start),
                enrolment_methods=("manual", "self") if standing else DEFAULT_ENROLMENT_METHODS,
                filters_off=("emoticon",) if standing else (),
            )
        )

    def _how_many_activities(self, shortname: str) -> int:
        if shortname in ACTIVITIES:
            return ACTIVITIES[shortname]
        return min(110, 5 + int(self.rng.gammavariate(2, 13)))

    def _sections(self, topics: tuple[str, ...], activities: int) -> tuple[Section, ...]:
        if not activities:
            return (self._section(0, "General", "", ()),)
        weeks = 100 if activities > 200 else 1 + min(14, activities // 4)
        counts = [0] * weeks
        for turn in range(activities - 1):
            counts[turn % weeks] += 1
        announcements = self._activity("forum", "Announcements", 1)
        sections = [self._section(0, "General", "", (announcements,))]
        numbers: Counter[str] = Counter()
        for week, count in enumerate(counts, start=1):
            topic = topics[(week - 1) % len(topics)]
            modules = tuple(self._some_activity(topic, numbers) for _ in range(count))
            name = f"Week {week}: {topic}" if weeks < 20 else f"{week}. {topic}"
            sections.append(self._section(week, name, f"<p>{topic}.</p>", modules))
        return tuple(sections)

    def _section(self, number: int, name: str, summary: str, modules: tuple[Module, ...]) -> Section:
        self.sectionid += 1
        return Section(self.sectionid, number, name, summary, modules)

    def _some_activity(self, topic: str, numbers: Counter[str]) -> Module:
        modname, _, pattern = self.rng.choices(_KINDS, weights=[weight for _, weight, _ in _KINDS])[0]
        numbers[modname] += 1
        visible = 0 if self.rng.random() < 0.04 else 1
        return self._activity(modname, pattern.format(topic=topic, n=numbers[modname]), visible)

    def _activity(self, modname: str, name: str, visible: int) -> Module:
        self.moduleid += 1
        return Module(self.moduleid, modname, name, visible)


def _dated(sections: tuple[Section, ...], start: int) -> tuple[Section, ...]:
    """Add dates: assignments and quizzes begin with their week, and are due two weeks later at noon."""

    def dated(module: Module, week: int) -> Module:
        begins = start + (week - 1) * _WEEK
        names = _DATES.get(module.modname, ())
        return replace(module, dates=tuple(zip(names, (begins, begins + 2 * _WEEK + _NOON), strict=False)))

    return tuple(
        replace(section, modules=tuple(dated(module, section.section) for module in section.modules))
        for section in sections
    )


def _standing_users() -> list[User]:
    return [
        User(2, "admin", "Alex", "Archer", "admin@example.edu", "admin"),
        User(3, "ws-dupdash", "Course", "Duplication Service", "ws-dupdash@example.edu", "manager"),
        User(FACULTY_ID, "faculty", "Fatima", "Castellan", "faculty@example.edu"),
        User(5, "helpdesk", "Harper", "Quinn", "helpdesk@example.edu"),
    ]


def _front_page() -> Course:
    sections = (Section(1, 0, "General"), Section(2, 1, "Site"))
    return Course(
        1, SITENAME, "sandbox", 0, format="site", timecreated=_FOUNDED, timemodified=_FOUNDED, sections=sections
    )
