"""The neuron view as vector art: from the query "it" and each key, neuron by neuron, to the weight.

Layer 5, head 11 of MiniLM gives "cat" 0.71 of the weight of "it"; its score is the sum of the
products shown in that row.
"""

from matplotlib.figure import Figure

import attnscope
from attnscope import plot
from attnscope.demo import load

model, tokenizer = load("minilm")
trace = attnscope.capture(model, tokenizer, "The cat sat on the mat because it was tired.")

figure = plot.neurons(trace, 5, 11, "it", ax=Figure()).figure
