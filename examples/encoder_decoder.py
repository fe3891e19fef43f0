"""Encoder, decoder and cross-attention of a sequence-to-sequence model from one call.

The model (trained by tests/fixtures/make_reversal.py) spells words backwards, so its
cross-attention is known: each letter written looks at its mirror image.
"""

from pathlib import Path

from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import attnscope

folder = Path(__file__).parents[1] / "tests" / "fixtures" / "reversal"
model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype="float32").eval()
tokenizer = AutoTokenizer.from_pretrained(folder)

trace = attnscope.capture(model, tokenizer, "attention", target="noitnetta")
print(trace)

view = trace.head_view(layer=1, stream="cross")
