#!/usr/bin/env python3
"""Interrupts copies of the plugin in a real Moodle on this machine, and checks that nothing is left of them.

Never run it on a site in use: it kills PHP processes and database connections (only its own), and deletes the courses
that it made. Run it as root or as the web server's user, on a machine where cron is switched off:

    MOODLE_URL=… MOODLE_TOKEN=… MOODLE_DIR=/var/www/moodle MOODLE_DATA=/var/moodledata MOODLE_DB=moodle \\
    MOODLE_SOURCE_IDS=3,4,5 MOODLE_CATEGORY=2 python3 faults.py load 24 8
    … faults.py kill backup restore between created end random random
    … faults.py connection backup restore
    … faults.py reaper restore
    … faults.py cancel backup restore

`load COPIES RUNNERS` makes copies with people and moved dates, and compares each with its source. `kill`, `reaper`,
`connection` and `cancel` start one copy for each named step and interrupt it there: by SIGKILL, by SIGKILL of the
copy and then of the clean-up task, by KILL CONNECTION in the database, and by the web service.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

URL = os.environ["MOODLE_URL"]
TOKEN = os.environ["MOODLE_TOKEN"]
CODE = os.environ["MOODLE_DIR"]
DATA = Path(os.environ["MOODLE_DATA"])
DATABASE = os.environ["MOODLE_DB"]
USER = os.environ.get("MOODLE_USER", "www-data") if os.geteuid() == 0 else None
SOURCES = [int(text) for text in os.environ["MOODLE_SOURCE_IDS"].split(",")]
CATEGORY = int(os.environ["MOODLE_CATEGORY"])
START = "core_course_async_duplicate_course"
DAY = 86400
LOG = Path(tempfile.gettempdir()) / "faults.log"
REAP = ["php", f"{CODE}/admin/cli/scheduled_task.php", "--execute=\\local_asyncduplicate\\task\\reap"]

# Queries that count rows with a reference to a missing row, before and after the copies.
ORPHANS = {
    "contexts of courses": "mdl_context x LEFT JOIN mdl_course y ON y.id = x.instanceid"
    " WHERE x.contextlevel = 50 AND y.id IS NULL",
    "contexts of activities": "mdl_context x LEFT JOIN mdl_course_modules y ON y.id = x.instanceid"
    " WHERE x.contextlevel = 70 AND y.id IS NULL",
    "contexts of blocks": "mdl_context x LEFT JOIN mdl_block_instances y ON y.id = x.instanceid"
    " WHERE x.contextlevel = 80 AND y.id IS NULL",
    **{
        table: f"mdl_{table} x LEFT JOIN mdl_course y ON y.id = x.{column} WHERE y.id IS NULL AND x.{column} > 0"
        for table, column in {
            "course_modules": "course",
            "course_sections": "course",
            "course_format_options": "courseid",
            "enrol": "courseid",
            "groups": "courseid",
            "groupings": "courseid",
            "grade_items": "courseid",
            "grade_categories": "courseid",
            "event": "courseid",
            "assign": "course",
            "forum": "course",
            "forum_discussions": "course",
            "page": "course",
            "resource": "course",
            "quiz": "course",
        }.items()
    },
    "files": "mdl_files x LEFT JOIN mdl_context y ON y.id = x.contextid WHERE y.id IS NULL",
    "question categories": "mdl_question_categories x LEFT JOIN mdl_context y ON y.id = x.contextid WHERE y.id IS NULL",
    "blocks": "mdl_block_instances x LEFT JOIN mdl_context y ON y.id = x.parentcontextid WHERE y.id IS NULL",
    "role assignments": "mdl_role_assignments x LEFT JOIN mdl_context y ON y.id = x.contextid WHERE y.id IS NULL",
    "enrolments": "mdl_user_enrolments x LEFT JOIN mdl_enrol y ON y.id = x.enrolid WHERE y.id IS NULL",
    "badges of no course": "mdl_badge x WHERE x.courseid IS NULL",
    "backup files": "mdl_files x WHERE x.filename LIKE 'asyncduplicate-%'",
    "backup controllers": "mdl_backup_controllers x WHERE x.status <> 1000",
    "tasks": "mdl_task_adhoc x WHERE x.component = 'local_asyncduplicate'",
    "recycle bin": "mdl_tool_recyclebin_category x",
    "wrong course counts": "mdl_course_categories x WHERE x.coursecount <>"
    " (SELECT COUNT(*) FROM mdl_course y WHERE y.category = x.id)",
}


def sql(statement: str) -> list[list[str]]:
    done = subprocess.run(
        ["mariadb", "-N", "-B", DATABASE, "-e", statement], capture_output=True, text=True, check=True
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


def number(statement: str) -> int:
    return int(sql(statement)[0][0])


def call(function: str, **parameters: object) -> dict:
    fields = {"wstoken": TOKEN, "wsfunction": function, "moodlewsrestformat": "json", **parameters}
    body = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(f"{URL}/webservice/rest/server.php", body, timeout=60) as answer:
        return json.load(answer)


def start(source: int, **more: object) -> str:
    name = f"FAULT-{uuid.uuid4().hex[:10]}"
    answer = call(START, id=source, fullname=f"Copy {name}", shortname=name, categoryid=CATEGORY, **more)
    return answer["duplicateid"]


def runner(seconds: int) -> subprocess.Popen:
    command = [
        "php",
        f"{CODE}/admin/cli/adhoc_task.php",
        "--execute",
        "--classname=local_asyncduplicate\\task\\duplicate",
        f"--keep-alive={seconds}",
    ]
    with LOG.open("a") as log:
        return subprocess.Popen(command, user=USER, stdout=log, stderr=subprocess.STDOUT, cwd=CODE)


def reap() -> None:
    with LOG.open("a") as log:
        subprocess.run(REAP, user=USER, check=True, stdout=log, stderr=subprocess.STDOUT, cwd=CODE)


def job(duplicateid: str) -> dict[str, str]:
    columns = ["status", "phase", "progress", "courseid", "errorcode", "shortname", "sourceid", "taskid", "leftover"]
    rows = sql(f"SELECT {', '.join(columns)} FROM mdl_local_asyncduplicate WHERE duplicateid = '{duplicateid}'")
    return dict(zip(columns, rows[0], strict=True))


def temporary() -> set[str]:
    folder = DATA / "temp" / "backup"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


class Before:
    """The state of the site before a copy, to be compared with its state afterwards."""

    def __init__(self) -> None:
        self.orphans = {name: number(f"SELECT COUNT(*) FROM {rest}") for name, rest in ORPHANS.items()}
        self.temporary = temporary()
        self.courses = {row[0] for row in sql("SELECT id FROM mdl_course")}

    def left(self, made: set[str]) -> list[str]:
        """Return what is left on the site but should not be. ``made``: the courses that should exist."""
        found = []
        for name, rest in ORPHANS.items():
            now = number(f"SELECT COUNT(*) FROM {rest}")
            if now > self.orphans[name]:
                found.append(f"{name}: {now - self.orphans[name]}")
        found += [f"temporary: {name}" for name in sorted(temporary() - self.temporary)]
        courses = {row[0] for row in sql("SELECT id FROM mdl_course")} - self.courses
        found += [f"course {id} too much" for id in sorted(courses - made)]
        found += [f"course {id} missing" for id in sorted(made - courses)]
        return found


# --- The steps --------------------------------------------------------------------------------------------


def in_backup(id: str, row: dict[str, str]) -> bool:
    return row["status"] == "800" and row["phase"] == "1" and float(row["progress"]) > 0.1


def in_restore(id: str, row: dict[str, str]) -> bool:
    return row["phase"] == "2" and float(row["progress"]) > 0.7


def between(id: str, row: dict[str, str]) -> bool:
    """Return whether the backup is complete and the plugin has hidden the course in it, before it creates the copy."""
    try:
        text = (DATA / "temp" / "backup" / id / "course" / "course.xml").read_text()
    except OSError:
        return False
    return "<visible>0</visible>" in text


def created(id: str, row: dict[str, str]) -> bool:
    return row["courseid"] != "NULL"


def at_end(id: str, row: dict[str, str]) -> bool:
    return float(row["progress"]) > 0.97


def at_random() -> Callable[[str, dict[str, str]], bool]:
    delay, begun = random.uniform(0, 6), [0.0]

    def reached(id: str, row: dict[str, str]) -> bool:
        if row["status"] == "700":
            return False
        begun[0] = begun[0] or time.monotonic()
        return time.monotonic() - begun[0] > delay

    return reached


STEPS: dict[str, Callable[[], Callable[[str, dict[str, str]], bool]]] = {
    "backup": lambda: in_backup,
    "restore": lambda: in_restore,
    "between": lambda: between,
    "created": lambda: created,
    "end": lambda: at_end,
    "random": at_random,
}


# --- The interruptions ------------------------------------------------------------------------------------


def kill(id: str, process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def reaper(id: str, process: subprocess.Popen) -> None:
    """Kill the process of the copy, and then the clean-up task."""
    kill(id, process)
    cleaning = subprocess.Popen(REAP, user=USER, stdout=subprocess.DEVNULL, cwd=CODE)
    time.sleep(random.uniform(0.5, 2))
    cleaning.kill()
    cleaning.wait()


def connection(id: str, process: subprocess.Popen) -> None:
    name = f"{DATABASE}:mdl__local_asyncduplicate_job_{id}"
    holder = sql(f"SELECT IS_USED_LOCK(SHA1('{name}'))")[0][0]
    if holder != "NULL":
        sql(f"KILL CONNECTION {holder}")
    process.send_signal(signal.SIGCONT)
    process.terminate()
    process.wait(timeout=120)


def cancel(id: str, process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGCONT)
    call(f"{START}_cancel", duplicateid=id)
    wait_for_end([id], 120)
    process.terminate()
    process.wait(timeout=120)


INTERRUPTIONS = {how.__name__: how for how in (kill, reaper, connection, cancel)}


def wait_for_end(ids: list[str], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        listed = {f"duplicateids[{place}]": id for place, id in enumerate(ids)}
        statuses = call(f"{START}_get_statuses", **listed)["statuses"]
        if all(status["status"] in (900, 1000) for status in statuses):
            return
        time.sleep(0.5)


def interrupt(how: Callable[[str, subprocess.Popen], None], steps: list[str]) -> bool:
    good = True
    for name in steps:
        before = Before()
        id = start(random.choice(SOURCES), startdate=int(time.time()) // DAY * DAY, **{"options[0][users]": 1})
        process = runner(600)
        reached = STEPS[name]()
        row = job(id)
        while not reached(id, row) and row["status"] in ("700", "800"):
            time.sleep(0 if name in ("between", "created") else 0.05)
            row = row if name == "between" and row["status"] == "800" else job(id)
        process.send_signal(signal.SIGSTOP)
        at = job(id)
        how(id, process)
        after = job(id)
        reap()
        end = job(id)
        made = {end["courseid"]} if end["status"] == "1000" else set()
        left = before.left(made)
        if made:
            left += differences(end)
        good = good and not left and end["status"] in ("900", "1000")
        print(
            f"{how.__name__:10} {name:8} at phase {at['phase']} {float(at['progress']):.2f}"
            f" course {'yes' if at['courseid'] != 'NULL' else 'no':3} -> {after['status']} -> {end['status']}"
            f" {end['errorcode']:20} left: {left or 'nothing'}",
            flush=True,
        )
        remove(made)
    return good


# --- Load -------------------------------------------------------------------------------------------------


def shape(course: str) -> list[list[str]]:
    """Return the properties of a course that must be equal in its copy, including people."""
    return sql(
        f"SELECT 'sections', COUNT(*) FROM mdl_course_sections WHERE course = {course} UNION ALL"
        " SELECT m.name, COUNT(*) FROM mdl_course_modules cm JOIN mdl_modules m ON m.id = cm.module"
        f" WHERE cm.course = {course} GROUP BY m.name UNION ALL"
        " SELECT 'people', COUNT(DISTINCT ue.userid) FROM mdl_user_enrolments ue"
        f" JOIN mdl_enrol e ON e.id = ue.enrolid WHERE e.courseid = {course} UNION ALL"
        " SELECT 'posts', COUNT(*) FROM mdl_forum_posts p JOIN mdl_forum_discussions d ON d.id = p.discussion"
        f" WHERE d.course = {course} ORDER BY 1"
    )


def due_dates(course: str) -> list[int]:
    rows = sql(f"SELECT duedate FROM mdl_assign WHERE course = {course} AND duedate > 0 ORDER BY name, duedate")
    return [int(row[0]) for row in rows]


def differences(row: dict[str, str]) -> list[str]:
    """Return the differences between a finished copy and its request."""
    source, course = row["sourceid"], row["courseid"]
    found = []
    fields = "shortname, visible, startdate, (SELECT COUNT(*) FROM mdl_course y WHERE y.shortname = x.shortname)"
    shortname, visible, startdate, same = sql(f"SELECT {fields} FROM mdl_course x WHERE id = {course}")[0]
    if (shortname, visible, same) != (row["shortname"], "1", "1"):
        found.append(f"course {course}: {shortname}, visible {visible}, {same} of that name")
    if shape(source) != shape(course):
        found.append(f"course {course} differs: {shape(source)} {shape(course)}")
    shift = int(startdate) - number(f"SELECT startdate FROM mdl_course WHERE id = {source}")
    if [date + shift for date in due_dates(source)] != due_dates(course):
        found.append(f"course {course}: dates not moved by {shift / DAY} days")
    return found


def remove(courses: set[str]) -> None:
    if not courses:
        return
    script = (
        "define('CLI_SCRIPT', true); require($argv[1] . '/config.php');"
        "require_once($CFG->dirroot . '/course/lib.php');"
        "foreach (array_slice($argv, 2) as $id) { delete_course((int) $id, false); } fix_course_sortorder();"
    )
    subprocess.run(
        ["php", "-r", script, "--", CODE, *courses], user=USER, check=True, stdout=subprocess.DEVNULL, cwd=CODE
    )


def load(copies: int, runners: int) -> bool:
    before = Before()
    begun = time.monotonic()
    ids = [
        start(
            SOURCES[place % len(SOURCES)],
            startdate=int(time.time()) // DAY * DAY + place * 7 * DAY,
            **{"options[0][users]": 1, "options[1][role_assignments]": 1},
        )
        for place in range(copies)
    ]
    print(f"{copies} started in {time.monotonic() - begun:.1f} s")
    processes = [runner(3600) for _ in range(runners)]
    wait_for_end(ids, 3600)
    took = time.monotonic() - begun
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(timeout=120)
    rows = [job(id) for id in ids]
    made = {row["courseid"] for row in rows if row["status"] == "1000"}
    left = before.left(made)
    for row in rows:
        left += differences(row) if row["status"] == "1000" else [f"{row['shortname']}: {row['errorcode']}"]
    print(f"{len(made)} of {copies} made in {took:.0f} s by {runners} runners; wrong: {left or 'nothing'}")
    remove(made)
    return not left


def main(arguments: list[str]) -> int:
    match arguments:
        case ["load", copies, runners]:
            good = load(int(copies), int(runners))
        case [how, *steps] if how in INTERRUPTIONS and steps and set(steps) <= set(STEPS):
            good = interrupt(INTERRUPTIONS[how], steps)
        case _:
            print(__doc__)
            return 2
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
