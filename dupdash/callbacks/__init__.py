"""Notifies other programs by HTTP that a job has ended, and a chat that a job has failed."""
