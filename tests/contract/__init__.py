"""Tests the behaviour of Moodle on which dupdash relies, on the sandbox and on real sites (Moodle 4.2 to 5.x).

The tests check only what dupdash relies on, because answers of different versions differ in other fields. The summary
at the end names the tested version.

By default the sandbox is tested. A real site is tested only if all four variables are set, so that a ``MOODLE_URL``
alone never leads to courses on a real site::

    MOODLE_URL=… MOODLE_TOKEN=… CONTRACT_SOURCE=<course id> CONTRACT_CATEGORY=<category id> pytest tests/contract

The token must belong to an administrator or a manager, and to a service with the functions that the tests call. Tests
of missing functions are skipped. The source should be small and have enrolled people. The tests create courses in the
category with names that begin with ``dupdash-contract-``, and delete them. Every assertion is based on a capture of a
real Moodle 4.5.6 in ``tests/wire``, or on a measurement, which a comment names.
"""
