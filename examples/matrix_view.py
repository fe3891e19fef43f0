"""One head as a heat map: which word does each word look at?

Layer 5, head 11 of MiniLM gives 0.71 of the weight of "it" to "cat". Point at a cell to read it,
draw a rectangle to zoom into it, click a cell for the sum behind its weight.
"""

import attnscope
from attnscope.demo import load

model, tokenizer = load("minilm")
trace = attnscope.capture(model, tokenizer, "The cat sat on the mat because it was tired.")

view = trace.matrix_view(layer=5, head=11)
