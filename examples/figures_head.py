"""Two heads for a paper: heat maps side by side on one scale, in a column of text.

Layer 0, head 2 of MiniLM looks at the token before; layer 5, head 11 looks for "cat".
"""

from matplotlib.figure import Figure

import attnscope
from attnscope import plot
from attnscope.demo import load

model, tokenizer = load("minilm")
trace = attnscope.capture(model, tokenizer, "The cat sat on the mat because it was tired.")

figure = Figure(figsize=(6.9, 3.3), layout="constrained")  # the width of a page
left, right = figure.subplots(1, 2)
plot.head(trace, 0, 2, ax=left, title="(a) the token before", vmax=1, bar=False)
plot.head(trace, 5, 11, ax=right, title="(b) the subject", vmax=1)
