"""Chaos runs: real web requests, worker processes and the sandbox, while processes are killed and faults injected.

``scripts/chaos --jobs N --seed S`` runs it; ``invariants.py`` checks what must hold at the end.
"""
