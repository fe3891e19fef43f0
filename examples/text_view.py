"""A text as it runs, each token shaded by how much attention it gets.

First what "it" attends to in layer 5, head 11: mostly "cat". Point at any token for its own row,
with Shift for who attends to it; `layer="all"` and `head="mean"` put everything together. Above the
text, "Shown" switches to rollout: what has come from each token after all layers.
"""

import attnscope
from attnscope.demo import load

model, tokenizer = load("minilm")
text = (
    "The cat sat on the mat because it was tired. It had been hunting all night, and the dog slept."
)
trace = attnscope.capture(model, tokenizer, text)

query = trace.tokens.text.index("it")
view = trace.text_view(query, layer=5, head=11, quantity=["weight", "rollout"], hide_special=True)
