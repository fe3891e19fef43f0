"""Why does "it" look at "cat"? The neurons of one head, and every step to the weight.

Layer 5, head 11 of MiniLM gives 0.71 of the weight of "it" to "cat". Click that row: the panel
lists the neurons that make the score, and how the softmax turns it into 0.712.
"""

import attnscope
from attnscope.demo import load

model, tokenizer = load("minilm")
trace = attnscope.capture(model, tokenizer, "The cat sat on the mat because it was tired.")

view = trace.neuron_view(layer=5, head=11, query=trace.tokens.text.index("it"))
