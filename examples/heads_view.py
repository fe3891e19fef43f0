"""Every head of a real model in numbers: which ones look at the token before?

Layer 0, head 2 of MiniLM gives all its weight to the previous token. Choose another measure, sort
the list, click a head to open it.
"""

import attnscope
from attnscope.demo import load

model, tokenizer = load("minilm")
trace = attnscope.capture(model, tokenizer, "The cat sat on the mat because it was tired.")

print(trace.heads(["previous_token"]).sort("previous_token").to_text(3))
view = trace.heads_view("previous_token")
