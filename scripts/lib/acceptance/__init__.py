"""``scripts/acceptance``: requests copies in every way that dupdash offers, and compares each copy with its source.

The test imports only the standard library and nothing of ``dupdash``, so that the two cannot share a mistake.
"""
