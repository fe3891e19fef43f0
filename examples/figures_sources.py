"""Where an answer comes from: attention, norm and effect of every part of a prompt, for each token.

The analytic GPT-2 is asked what comes after "w1". Chunk 2 says it: it has half of the weight, and
without it the answer is lost. The question has as much for the first token, and no effect.
"""

from matplotlib.figure import Figure

import attnscope
from attnscope import plot
from attnscope.demo import load

model, tokenizer = load("analytic")
chunks = {"chunk 1": "w20 w21 w22", "chunk 2": "w9 w1 w2 w3 w4", "question": "w30 w31 w1"}
prompt, ranges = "<|end|>", []
for name, chunk in chunks.items():
    ranges.append((name, len(prompt) + 1, len(prompt) + 1 + len(chunk)))
    prompt += f" {chunk}"
table = attnscope.sources(model, tokenizer, prompt, "w2 w3 w4", ranges=ranges, per="token")

figure = plot.sources(table, ax=Figure()).figure
