"""Notifies other programs and a chat by HTTP that a job has ended."""
