"""What makes two sentences similar? Each word's part in the number, by seven methods, all tested.

MiniLM gives "Where did they watch ships?" and the text below a similarity of 0.38. Switch the
method above the text: raw attention weights say [CLS] and [SEP], integrated gradients say "boats".
The table says whom to believe here: taking away the words that a method puts first should lower
the number, more than taking away random ones. It does not say that the model understands boats as
ships; it says which words this number rests on.
"""

import torch

import attnscope
from attnscope.demo import load

model, tokenizer = load("minilm")


def embedding(output):
    return torch.nn.functional.normalize(output.last_hidden_state[0].mean(0), dim=0)


with torch.no_grad():
    question = embedding(model(**tokenizer("Where did they watch ships?", return_tensors="pt")))

made = attnscope.saliency(
    model,
    tokenizer,
    "The bank by the river was muddy, so we sat on the grass and watched the boats.",
    target=lambda output: embedding(output) @ question,
    steps=16,
)
print(made)
view = made.text_view()
