"""Which of the retrieved chunks does the answer come from? Weight, norm and effect, side by side.

The analytic GPT-2 is asked what comes after "w1"; it finds it in its prompt. Chunk 2 says it, and
chunk 4 says the same. Of the answer's attention, without the sink, each gets 0.28; the question
gets nearly as much, 0.26. Hidden from all other tokens, not one part changes anything: where chunk
2 is hidden, chunk 4 says it. Named as one part and hidden together, they are worth 14.2 nats, and
nothing of the answer is left.

Then chunks 3 and 4 say something else, and chunk 3 ends with "w1". Now hiding chunk 2 costs 28.6
nats. Chunk 3 misleads, together with what follows it: its weight is 0.04, and without it the answer
is more probable by 0.69 nats.

What this shows: a share of attention is no effect, the effect of one part misses what two parts
say, and a part that misleads shows in its sign alone. What it does not show: that the answer is
right. And hiding keys is a strange thing to do to a trained model, whose answer may change for that
alone: look at what hiding a chunk about something else does.
"""

import attnscope
from attnscope.demo import load

model, tokenizer = load("analytic")


def prompt_of(chunks: list[str], names: list[str]) -> tuple[str, list[tuple[str, int, int]]]:
    """The chunks one after the other, and where each stands, in characters."""
    prompt, ranges = "<|end|>", []
    for name, chunk in zip(names, chunks, strict=True):
        ranges.append((name, len(prompt) + 1, len(prompt) + 1 + len(chunk)))
        prompt += f" {chunk}"
    return prompt, ranges


names = ["chunk 1", "chunk 2", "chunk 3", "chunk 4", "question"]
chunks = ["w20 w21 w22", "w9 w1 w2 w3 w4", "w24 w25 w26", "w10 w1 w2 w3 w4", "w30 w31 w1"]
prompt, ranges = prompt_of(chunks, names)
print(attnscope.sources(model, tokenizer, prompt, "w2 w3 w4", ranges=ranges), "\n")

together = ["chunk 1", "chunks 2 and 4", "chunk 3", "chunks 2 and 4", "question"]
prompt, ranges = prompt_of(chunks, together)
print(attnscope.sources(model, tokenizer, prompt, "w2 w3 w4", ranges=ranges), "\n")

chunks[2], chunks[3] = "w24 w25 w26 w1", "w27 w28"
prompt, ranges = prompt_of(chunks, names)
print(attnscope.sources(model, tokenizer, prompt, "w2 w3 w4", ranges=ranges), "\n")
print(attnscope.sources(model, tokenizer, prompt, "w2 w3 w4", ranges=ranges, per="token"))

runs = attnscope.segments.by_ranges(tokenizer, prompt, ranges, rest="start")
view = attnscope.capture(model, tokenizer, prompt, segments=runs).head_view(layer=1, heads=[0])
