"""Running text, shaded by what "lamp" looks at, and by what reaches it after all layers."""

from matplotlib.figure import Figure

import attnscope
from attnscope import plot
from attnscope.demo import PARAGRAPH, load

model, tokenizer = load("minilm")
trace = attnscope.capture(model, tokenizer, PARAGRAPH)

figure = Figure(figsize=(6.9, 5.2), layout="constrained")
above, below = figure.subplots(2, 1)
plot.text(trace, "lamp", layer=5, color="root", ax=above, title="layer 5, mean of its heads")
plot.text(trace, "lamp", layer=5, quantity="rollout", color="root", ax=below, title="rollout")
