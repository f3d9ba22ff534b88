"""``scripts/acceptance``: dupdash makes copies on a given Moodle in every way it offers, and each copy is compared
with its source. The standard library only, and nothing of ``dupdash``: the run shares no mistake with the program.
"""
