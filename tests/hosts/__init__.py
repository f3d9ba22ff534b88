"""Tests several hosts with one PostgreSQL and one Redis. Each host is a supervisor with its processes and folder."""
