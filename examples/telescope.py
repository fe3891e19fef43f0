"""The exercise: "I saw the man with the telescope." Does *with* attend to I, saw or man?

The first table asks every head of MiniLM behind layer 0. Layer 1 has a head for either reading:
head 2 gives "saw" 0.69 of the weight of "with" (I saw with it), head 9 gives "man" 0.74 (he has
it).

The second table changes the text. A hat, which no one sees with, changes next to nothing. With
"yesterday" in front of "with", head 9 gives "man" 0.18: it looks at the token before, and "man" was
that. Head 2 falls as well, to 0.41. Head 6 gives both words the same as before.

What this shows: which heads look from "with" to the verb or the noun, and that a weight of 0.74 can
be about position. What it does not show: which reading the model takes. A weight says where a head
looks, not what becomes of it.
"""

import attnscope
from attnscope import experiments
from attnscope.demo import load

model, tokenizer = load("minilm")
text = "I saw the man with the telescope."
variants = experiments.replace(text, "telescope", ["hat"])
variants |= experiments.lengthen(text, "yesterday", [1], before="with")
words = ["I", "saw", "man"]

table = experiments.run(model, tokenizer, variants, experiments.weight("with", words))
behind = table.take((table["variant"] == "original") & (table["layer"] > 0))
for word in words:
    print(behind.sort(word).take(slice(3)), "\n")
for head in (2, 6, 9):
    print(table.take((table["layer"] == 1) & (table["head"] == head)), "\n")

texts = (text, variants["1 × yesterday"])
both = [attnscope.capture(model, tokenizer, one) for one in texts]
view = attnscope.compare(*both, names=("original", "yesterday")).head_view(1, [2, 6, 9])
