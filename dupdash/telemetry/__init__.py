"""Counts the calls to Moodle, formats log lines, and reports errors to Sentry. Imports no other part of dupdash."""
