"""Where does an answer come from? A weight share beside what happens without.

The model (trained by tests/fixtures/make_answers.py) answers questions about who has what. Of the
attention of the answer "blue hat", the first sentence gets the most, 0.30, and the second one,
which says it, 0.29. Hidden from all other tokens, the first one changes nothing; without the second
one the answer's log-probability falls by 0.7, and the best answer elsewhere is another one's.

What this shows: which sentence the answer depends on, which the shares did not say. What it does
not show: how the model comes to it; and hiding a sentence is a strange thing to do to a model,
whose answer may change for that alone.
"""

from pathlib import Path

from transformers import AutoModelForQuestionAnswering, AutoTokenizer

import attnscope

folder = Path(__file__).parents[1] / "tests" / "fixtures" / "answers"
model = AutoModelForQuestionAnswering.from_pretrained(folder, dtype="float32").eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
question = "what has ben ?"
context = "anna has red ball . ben has blue hat . dora has green lamp ."

found = attnscope.find_answer(model, tokenizer, question, context)
print(found)

view = found.text_view()
