"""He or she? One word is replaced, and the heads that notice are listed.

"The doctor asked the nurse a question. She laughed." against the same with "He": the table says
how much each head of MiniLM changed; the pairs say where. Layer 1, head 3 gives "doctor" 0.08 of
the weight of "she" and 0.52 of that of "he"; layer 5, head 8 does the opposite.

What this shows: what these heads attend to depends on the pronoun. What it does not show: that the
model takes the doctor for a man. The two heads disagree, one sentence is no sample, and a weight
is not an effect: ablate the head and look at what the model says.
"""

import attnscope
from attnscope.demo import load

model, tokenizer = load("minilm")
she = attnscope.capture(model, tokenizer, "The doctor asked the nurse a question. She laughed.")
he = attnscope.capture(model, tokenizer, "The doctor asked the nurse a question. He laughed.")

comparison = attnscope.compare(she, he, names=("she", "he"))
print(comparison)
print(comparison.heads().take(slice(5)))
print(comparison.pairs(5))

view = comparison.head_view(layer=1, heads=[3])  # both; show="difference" for he minus she
