"""Attention rollout as a heat map: how much of each input token reaches each position."""

from matplotlib.figure import Figure

import attnscope
from attnscope import plot
from attnscope.demo import load

model, tokenizer = load("minilm")
trace = attnscope.capture(model, tokenizer, "The cat sat on the mat because it was tired.")

figure = plot.rollout(trace, start_layer=2, color="root", ax=Figure()).figure
