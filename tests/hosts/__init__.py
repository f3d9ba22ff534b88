"""Several machines on one PostgreSQL and one Redis: each is a supervisor with its processes and a folder of its own."""
