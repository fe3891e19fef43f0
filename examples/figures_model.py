"""The model view as vector art: every head of every layer of MiniLM, one of them in a frame.

Layer 0, head 2 is the one of parallel lines: each token looks at the one before it.
"""

from matplotlib.figure import Figure

import attnscope
from attnscope import plot
from attnscope.demo import load

model, tokenizer = load("minilm")
trace = attnscope.capture(model, tokenizer, "The cat sat on the mat because it was tired.")

figure = plot.model(trace, marked={"layer": 0, "head": 2}, ax=Figure()).figure
