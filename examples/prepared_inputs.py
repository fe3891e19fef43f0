"""A padded batch that you prepared yourself: one item is shown, its padding dropped."""

import attnscope
from attnscope.demo import load

model, tokenizer = load("minilm")
batch = tokenizer(
    ["Short one.", "A somewhat longer sentence comes second."], padding=True, return_tensors="pt"
)
trace = attnscope.capture(model, tokenizer, inputs=batch, index=0)

print(trace.tokens.text)
view = trace.head_view(layer=2)
