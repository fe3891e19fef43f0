"""What a model looked at for each letter that it wrote, recorded while it wrote it.

The model (trained by tests/fixtures/make_reversal.py) spells words backwards, so what it must look
at is known: step by step through the word, from its end. Step with the arrow keys, or press play.
"""

from pathlib import Path

from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import attnscope

folder = Path(__file__).parents[1] / "tests" / "fixtures" / "reversal"
model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype="float32").eval()
tokenizer = AutoTokenizer.from_pretrained(folder)

trace = attnscope.generate(model, tokenizer, "attention", max_new_tokens=12, do_sample=False)
print(trace)

table = trace.segments(stream="cross", by=[("beginning", 0, 3), ("end", 6, 9)], layer=1)
print(table)

view = trace.generation_view(layer=1, head=0)
