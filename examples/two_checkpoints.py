"""Two checkpoints: what fine-tuning has changed, head by head.

MiniLM is tuned for eight steps to give "The doctor ... She laughed." and the same with "He" one
embedding; their distance falls from 0.0095 to 0.0012. The tables say which heads attend differently
now and where: layer 5, head 8 has most of its weight taken off "she" (0.30 to 0.06 for "a").

Then the old patterns are put back into the tuned model, each sentence's own: the distance is 0.0055
again, half of what it was.

What this shows: where attention moved, and that about half of the change goes through where heads
look. What it does not show: where the other half is. Values, MLPs and norms were tuned as well, and
no table of attention has them.
"""

import copy

import torch

import attnscope
from attnscope.demo import load

model, tokenizer = load("minilm")
texts = [f"The doctor asked the nurse a question. {who} laughed." for who in ("She", "He")]


def embedded(network: torch.nn.Module, text: str) -> torch.Tensor:
    return network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)


def distance(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return 1 - torch.nn.functional.cosine_similarity(one, other, dim=0)


tuned = copy.deepcopy(model)
optimizer = torch.optim.SGD(tuned.parameters(), lr=0.05)
for _ in range(8):
    optimizer.zero_grad()
    distance(*(embedded(tuned, text) for text in texts)).backward()
    optimizer.step()

before = [attnscope.capture(model, tokenizer, text) for text in texts]
after = attnscope.capture(tuned, tokenizer, texts[0])
comparison = attnscope.compare(before[0], after)
print(comparison.heads().take(slice(5)), "\n")
print(comparison.pairs(5), "\n")

patched = []
with torch.no_grad():
    for text, trace in zip(texts, before, strict=True):
        with attnscope.patch(tuned, trace, layers=range(6)):
            patched.append(embedded(tuned, text))
    for name, network in (("as it was", model), ("tuned", tuned)):
        print(f"{name}: {distance(*(embedded(network, text) for text in texts)):.4f}")
    print(f"tuned, with the old patterns: {distance(*patched):.4f}")

view = comparison.matrix_view()
