"""Reads CSV files and Excel workbooks into tables of rows."""

import os

# openpyxl uses lxml or defusedxml if one of them is installed. lxml resolves entities, and defusedxml is ten times
# slower. Python's own parser refuses entities that expand without limit.
os.environ["OPENPYXL_LXML"] = os.environ["OPENPYXL_DEFUSEDXML"] = "False"
