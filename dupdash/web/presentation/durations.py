"""Formats durations as text: exactly if they are measured, rounded if they are estimated."""

from datetime import timedelta
from math import ceil


def exactly(length: timedelta) -> str:
    """Format a measured duration, such as "48 s", "4 min 12 s" or "1 h 05 min"."""
    seconds = max(0, int(length.total_seconds()))
    minutes, hours = seconds // 60, seconds // 3600
    if hours:
        return f"{hours} h {minutes % 60:02} min"
    if minutes:
        return f"{minutes} min {seconds % 60:02} s"
    return f"{seconds} s"


def roughly(length: timedelta) -> str:
    """Format an estimated duration in rounded steps, such as "about 20 s", "about 4 min" or "about 1 h 30 min".

    Coarse steps also keep the text on a page from changing at every poll.
    """
    seconds = max(0.0, length.total_seconds())
    if seconds <= 50:
        return f"about {max(1, ceil(seconds / 10)) * 10} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 10:
        return f"about {minutes} min"
    minutes = round(minutes / 5) * 5
    if minutes < 60:
        return f"about {minutes} min"
    return f"about {minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
