"""Tests the web services ``core_course_async_duplicate_course…`` as docs/web-services.md describes them.

Two servers must pass: dupdash's own web services, and a Moodle with the plugin ``local_asyncduplicate``. By default
dupdash with a sandbox is tested. These variables name another server:

    SERVICE_URL=… SERVICE_TOKEN=… SERVICE_SOURCE=<course id> SERVICE_CATEGORY=<id> \\
        .venv/bin/python -m pytest tests/service_contract

The token needs ``core_course_delete_courses``, because the tests delete the courses that they make. Moodle's cron or a
worker must be running. ``SERVICE_OTHER_TOKEN`` is the token of another account of that server that may not see the
duplications of others; without it the tests of foreign ids are skipped.
"""
