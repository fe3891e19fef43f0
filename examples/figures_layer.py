"""All heads of a layer as heat maps on one scale, tokens named once."""

from matplotlib.figure import Figure

import attnscope
from attnscope import plot
from attnscope.demo import load

model, tokenizer = load("minilm")
trace = attnscope.capture(model, tokenizer, "The cat sat on the mat because it was tired.")

figure = plot.layer(trace, 5, cols=4, color="root", ax=Figure()).figure
