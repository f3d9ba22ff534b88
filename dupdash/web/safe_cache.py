"""Caches answers of Moodle in such a way that a fault of the cache never breaks a page.

If the cache fails (no table, no Redis, an older format), the page asks Moodle instead.
"""

import logging
from typing import Any

from django.core.cache import cache

logger = logging.getLogger("dupdash.web")


def cache_get(key: str) -> Any:
    try:
        return cache.get(f"web:{key}")
    except Exception as error:
        logger.warning("the cache cannot be read (%s): %s", key, error)
        return None


def cache_set(key: str, value: Any, seconds: int) -> None:
    try:
        cache.set(f"web:{key}", value, seconds)
    except Exception as error:
        logger.warning("the cache cannot be written (%s): %s", key, error)
