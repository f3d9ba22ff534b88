"""Chaos runs: dupdash makes copies with real processes while processes are killed and faults are injected.

``scripts/chaos --jobs N --seed S`` runs it; ``invariants.py`` checks what must hold at the end.
"""
