"""Measures: numbers per head, token or pair, computed from a Trace. NumPy only.

heads   one number a head: entropy, distance, shares, named patterns (`heads(trace)`: a table)
pairs   which token attends most to which (`top`, `pairs`)
flow    attention across layers: rollout
table   the small labelled table that they return
"""

from attnscope.measures.flow import rollout
from attnscope.measures.heads import MEASURES, heads, measure
from attnscope.measures.pairs import pairs, top
from attnscope.measures.table import Table

__all__ = ["MEASURES", "Table", "heads", "measure", "pairs", "rollout", "top"]
