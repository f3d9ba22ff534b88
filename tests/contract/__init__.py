"""The behaviour of Moodle on which dupdash relies, checked on the sandbox and on real sites (4.2 to 5.x).

Only what dupdash relies on is demanded: answers differ between versions in fields that dupdash does not read. The
summary at the end says which version was asked.

By default the sandbox is asked. A real site is asked only when all four are set, so that nobody's own ``MOODLE_URL`` is
enough to have courses made there::

    MOODLE_URL=… MOODLE_TOKEN=… CONTRACT_SOURCE=<course id> CONTRACT_CATEGORY=<category id> pytest tests/contract

The token is an administrator's (or a manager's), for a service with the functions that the tests call; what
the service lacks is skipped. The source should be small, with people in it. Courses are made in the category under
names that begin with ``dupdash-contract-``, and deleted again. Every assertion rests on a capture of a real
Moodle 4.5.6 in ``tests/wire``, or on what was measured there and is said beside it.
"""
