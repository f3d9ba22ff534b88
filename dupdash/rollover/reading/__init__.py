"""Reads files into tables of rows."""

import os

# openpyxl parses with lxml or defusedxml where one of them happens to be installed. The first resolves entities, and
# the second is ten times slower. The parser of Python itself refuses entities that grow.
os.environ["OPENPYXL_LXML"] = os.environ["OPENPYXL_DEFUSEDXML"] = "False"
