"""Counts calls to Moodle and lost leases, formats log lines, and reports errors to Sentry.

It imports no other part of dupdash.
"""
