"""Measures: numbers per head, token or pair, computed from a Trace. NumPy only.

heads   one number a head: entropy, distance, shares, named patterns (`heads(trace)`: a table)
detector  head scores as TransformerLens computes them
corpus  over several texts: sink rate, variability
linguistic  heads that follow syntax or coreference (`conllu` reads trees)
retrieval  heads that look at what a generated token is copied from
pairs   which token attends most to which (`top`, `pairs`)
flow    attention across layers: rollout, flow
compare what changed between two traces (`attnscope.compare`), with `align` and `difference`
moved   what weights move: norm-weighted attention, contributions, ALTI
gradients  weights times their gradients: gradient × attention, relevancy
zeroing what a layer loses without a token's value
shares  how the weight of a row is shared out over segments, of generated tokens above all
steps   the rows that made the generated tokens, as a trace of their own
table   the small labelled table that they return

quantities  what views can show of a pair of tokens: weight, score, rollout, ... as streams
"""

from attnscope.measures.corpus import sink, sink_rate, variability
from attnscope.measures.detector import detect_head
from attnscope.measures.flow import flow, rollout
from attnscope.measures.gradients import gradient_attention, relevancy
from attnscope.measures.heads import MEASURES, heads, measure
from attnscope.measures.linguistic import coreference, syntactic
from attnscope.measures.moved import alti, contributions, norm_together, norm_weighted
from attnscope.measures.pairs import pairs, top
from attnscope.measures.quantities import QUANTITIES, Quantity, quantities_of, quantity
from attnscope.measures.retrieval import retrieval
from attnscope.measures.shares import shares
from attnscope.measures.steps import steps
from attnscope.measures.table import Table
from attnscope.measures.zeroing import value_zeroing

__all__ = [
    "MEASURES",
    "QUANTITIES",
    "Quantity",
    "Table",
    "alti",
    "contributions",
    "coreference",
    "detect_head",
    "flow",
    "gradient_attention",
    "heads",
    "measure",
    "norm_together",
    "norm_weighted",
    "pairs",
    "quantities_of",
    "quantity",
    "relevancy",
    "retrieval",
    "rollout",
    "shares",
    "sink",
    "sink_rate",
    "steps",
    "syntactic",
    "top",
    "value_zeroing",
    "variability",
]
