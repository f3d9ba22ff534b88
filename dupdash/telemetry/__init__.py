"""Counts the calls to Moodle and names the request and the job in log lines. Imports no other part of dupdash."""
