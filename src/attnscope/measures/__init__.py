"""Measures: numbers per head, token or pair, computed from a Trace. NumPy only.

heads   one number a head: entropy, distance, shares, named patterns (`heads(trace)`: a table)
pairs   which token attends most to which (`top`, `pairs`)
flow    attention across layers: rollout
compare what changed between two traces (`attnscope.compare`), with `align` and `difference`
table   the small labelled table that they return

quantities  what views can show of a pair of tokens: weight, score, rollout, ... as streams
"""

from attnscope.measures.flow import rollout
from attnscope.measures.heads import MEASURES, heads, measure
from attnscope.measures.pairs import pairs, top
from attnscope.measures.quantities import QUANTITIES, Quantity, quantities_of, quantity
from attnscope.measures.table import Table

__all__ = [
    "MEASURES",
    "QUANTITIES",
    "Quantity",
    "Table",
    "heads",
    "measure",
    "pairs",
    "quantities_of",
    "quantity",
    "rollout",
    "top",
]
