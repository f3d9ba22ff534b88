"""Django's PostgreSQL backend, which notices a connection that the server has closed without asking the server.

With CONN_HEALTH_CHECKS Django sends ``SELECT 1`` before the first query of each request: a third of the round trips of
a call that reads a job's status. A server that restarts, or that ends the session, closes the connection, and the
kernel knows that. A server that vanishes without a word is noticed by the timeouts of the settings (tcp_user_timeout).
"""

import select
from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    connection: Any

    def is_usable(self) -> bool:
        """Return whether the connection is open.

        PostgreSQL sends nothing while a connection is idle. If there is data to read, the server has closed the
        connection or announced that it will.
        """
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0)
