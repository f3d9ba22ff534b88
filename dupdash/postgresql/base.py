"""Django's PostgreSQL backend with two changes: settings for short queries, and a cheaper check of the connection.

PostgreSQL compiles a query that it expects to be long (JIT). For the lists of dupdash that takes 20 to 45 ms, longer
than the queries themselves. With the default memory a search loses track of single rows, and then compares the texts of
whole pages: 70,950 rows instead of 5,600, measured with a million jobs.

With CONN_HEALTH_CHECKS Django sends ``SELECT 1`` before the first query of each request: a third of the round trips of
a call that reads a job's status. A server that restarts, or that ends the session, closes the connection, and the
kernel knows that. A server that vanishes without a word is noticed by the timeouts of the settings (tcp_user_timeout).
"""

import select
from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    connection: Any

    def init_connection_state(self) -> None:
        super().init_connection_state()
        with self.cursor() as cursor:
            cursor.execute("SET jit = off; SET work_mem = '16MB'")

    def is_usable(self) -> bool:
        """Return whether the connection is open.

        An idle server sends nothing, so readable means closed, or a last message.
        """
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0)
