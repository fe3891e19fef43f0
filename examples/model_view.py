"""Every head of a real model at a glance, for a pair of sentences.

Layer 0, head 2 stands out as parallel lines: it looks at the previous token. Choose "A → B" to see
only what the first sentence's tokens give to the second's.
"""

import attnscope
from attnscope.demo import load

model, tokenizer = load("minilm")
trace = attnscope.capture(
    model, tokenizer, "The cat sat on the mat.", "It was tired after a long day."
)

view = trace.model_view()
