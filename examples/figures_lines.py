"""The head view as vector art: what "it" looks at, in the colours of the screen.

The same figure comes from the view itself, in the state that the reader has brought it to:
`widget.save("it.pdf")`.
"""

from matplotlib.figure import Figure

import attnscope
from attnscope import plot
from attnscope.demo import load

model, tokenizer = load("minilm")
trace = attnscope.capture(model, tokenizer, "The cat sat on the mat because it was tired.")

figure = plot.lines(trace, 5, [4, 7, 11], query="it", ax=Figure()).figure
