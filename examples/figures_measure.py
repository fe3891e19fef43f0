"""Layer × head maps of measures: where a model's heads are sharp, and which look one token back."""

from matplotlib.figure import Figure

import attnscope
from attnscope import plot
from attnscope.demo import PARAGRAPH, load

model, tokenizer = load("minilm")
trace = attnscope.capture(model, tokenizer, PARAGRAPH)

figure = Figure(figsize=(6.9, 2.4), layout="constrained")
left, right = figure.subplots(1, 2)
plot.measure(trace, "entropy", ax=left)
plot.measure(trace, "previous_token", ax=right, vmax=1)
