"""Chaos: real web submission, real worker processes and the sandbox, while everything that can die is killed.

``scripts/chaos --jobs N --seed S`` runs it; ``verdict.py`` says what must hold at the end.
"""
