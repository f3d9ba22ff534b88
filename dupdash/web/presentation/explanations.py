"""What went wrong, in plain sentences: the same on the pages as in mails."""

from dupdash.duplication.explanations import EXPLANATIONS, UNKNOWN, Explanation, explain

__all__ = ["EXPLANATIONS", "UNKNOWN", "Explanation", "explain"]
