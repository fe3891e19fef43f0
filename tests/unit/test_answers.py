"""Sources of an answer: shares beside what happens without, on models whose sources are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from click.testing import CliRunner
from tokenizers import processors
from torch import nn

import attnscope
from attnscope import CaptureError, InputError, cli, pretrained
from attnscope.capture.answers import sources
from attnscope.wire.replies import answer, requests_of
from tests.generating import build_writer
from tests.models import SMALL, build, make_peaked
from tests.words import word_tokenizer

PROMPT = "<|end|> w1 w2 w3 w4 w5 w6 w7 w8 w9 w5"
CHUNKS = {"first": "w1", "second": "w5 w6", "question": "w9"}


def rows_of(table: Any) -> dict[Any, dict[str, Any]]:
    return {(row["part"], row.get("token")): row for row in table.rows()}


def test_the_chunk_that_is_copied_has_the_effect(analytic: Any, tokenizer: Any) -> None:
    """The model copies "w6 w7" from the second chunk; half of the weight is elsewhere."""
    table = attnscope.sources(analytic, tokenizer, PROMPT, "w6 w7", markers=CHUNKS)
    found = {row["part"]: row for row in table.rows()}
    assert list(found) == ["first", "second", "question"]
    assert found["second"]["effect"] > 10
    assert abs(found["first"]["effect"]) < 1e-6
    assert abs(found["question"]["effect"]) < 1e-6
    assert found["second"]["weight"] == pytest.approx(0.5, abs=1e-3)
    assert found["question"]["weight"] > 0.4
    assert found["first"]["norm"] == pytest.approx(0, abs=1e-6)


def test_effects_are_what_a_mask_does(tokenizer: Any) -> None:
    """By hand: the same text with the chunk's places masked, answer by answer token."""
    model, prompt, answer = build("gpt2"), "w1 w2 w3 w4 w5", [7, 9]
    options = {"ranges": [("a", 3, 8), ("b", 9, 14)], "per": "token"}
    table = attnscope.sources(model, tokenizer, prompt, "w7 w9", **options)
    ids = torch.tensor([[1, 2, 3, 4, 5, *answer]])

    def log_probabilities(mask: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            logits = (
                model(input_ids=ids, attention_mask=mask, position_ids=torch.arange(7)[None])
                .logits[0]
                .log_softmax(-1)
            )
        return np.array([float(logits[4 + at, number]) for at, number in enumerate(answer)])

    base = log_probabilities(torch.ones_like(ids))
    for part, hidden in (("a", [1, 2]), ("b", [3, 4])):
        mask = torch.ones_like(ids)
        mask[0, hidden] = 0
        expected = base - log_probabilities(mask)
        for at in (0, 1):
            row = rows_of(table)[part, at]
            # the last prompt token is in b: it predicts the first answer token and sees itself
            if (part, at) != ("b", 0):
                assert row["effect"] == pytest.approx(expected[at], abs=1e-5)
            assert row["text"] == f"w{answer[at]}"


def test_shares_are_of_the_rows_that_make_the_answer(tokenizer: Any) -> None:
    model, prompt = build("gpt2"), "w1 w2 w3 w4 w5"
    table = attnscope.sources(
        model, tokenizer, prompt, "w7 w9", ranges=[("a", 3, 8), ("b", 9, 14)], per="token"
    )
    ids = torch.tensor([[1, 2, 3, 4, 5, 7, 9]])
    trace = attnscope.capture(model, inputs={"input_ids": ids}, values=True)
    for at in (0, 1):
        row = np.mean([trace.weights(layer)[:, 4 + at] for layer in (0, 1)], axis=(0, 1))
        assert rows_of(table)["a", at]["weight"] == pytest.approx(row[1:3].sum() / row[1:].sum())
        norms = [attnscope.measures.norm_together(trace, layer)[4 + at] for layer in (0, 1)]
        shares = np.mean([norm / norm.sum() for norm in norms], axis=0)
        assert rows_of(table)["b", at]["norm"] == pytest.approx(shares[3:5].sum(), abs=1e-5)
    whole = attnscope.sources(model, tokenizer, prompt, "w7 w9", ranges=[("a", 3, 8), ("b", 9, 14)])
    for part in ("a", "b"):
        tokens = [rows_of(table)[part, at] for at in (0, 1)]
        found = rows_of(whole)[part, None]
        assert found["effect"] == pytest.approx(sum(row["effect"] for row in tokens))
        assert found["weight"] == pytest.approx(np.mean([row["weight"] for row in tokens]))


@pytest.mark.parametrize("name", ["gpt2", "llama", "bloom", "gptj", "gemma2", "gpt_oss", "mistral"])
def test_parts_hidden_in_one_batch_are_parts_hidden_one_by_one(
    tokenizer: Any, monkeypatch: Any, name: str
) -> None:
    model = build_writer(name)
    given = (model, tokenizer, "w1 w2 w3 w4 w5 w6", "w7 w9")
    options = {"ranges": [("a", 3, 5), ("b", 6, 11), ("c", 12, 14)], "per": "token"}
    passes = []
    hook = model.register_forward_hook(lambda *_: passes.append(1))
    together = attnscope.sources(*given, **options)
    assert len(passes) == 2  # the capture, and one for all
    monkeypatch.setattr(sources, "TOKENS", 1)
    apart = attnscope.sources(*given, **options)
    assert len(passes) == 2 + 1 + 4
    hook.remove()
    np.testing.assert_allclose(together["effect"], apart["effect"], atol=1e-5)
    ids = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 9]])
    with torch.no_grad(), attnscope.ablate(model, keys=[2, 3]):
        rows = model(input_ids=ids).logits[0, 5:7].float().log_softmax(-1)
    with torch.no_grad():
        base = model(input_ids=ids).logits[0, 5:7].float().log_softmax(-1)
    expected = (base - rows)[[0, 1], [7, 9]].tolist()
    assert [rows_of(together)["b", at]["effect"] for at in (0, 1)] == pytest.approx(
        expected, abs=1e-5
    )


class Merged(nn.Module):
    """GPT-2's attention, written so that the heads are in the batch axis."""

    def __init__(self, like: Any) -> None:
        super().__init__()
        self.num_heads, self.c_attn, self.c_proj = like.num_heads, like.c_attn, like.c_proj

    def forward(self, x: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        apart = [part.unflatten(-1, (self.num_heads, -1)) for part in self.c_attn(x).chunk(3, -1)]
        q, k, v = (part.transpose(1, 2).flatten(0, 1) for part in apart)
        later = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
        scores = torch.bmm(q, k.transpose(1, 2)) / q.shape[-1] ** 0.5
        weights = scores.masked_fill(later, -torch.inf).softmax(-1)
        out = torch.bmm(weights, v).unflatten(0, (len(x), -1)).transpose(1, 2).flatten(2)
        return self.c_proj(out), weights


def test_a_model_whose_items_cannot_be_told_apart_is_asked_one_by_one(tokenizer: Any) -> None:
    model, given = build("gpt2"), (tokenizer, PROMPT, "w6 w7")
    expected = attnscope.sources(model, *given, markers=CHUNKS)
    for block in model.transformer.h:
        block.attn = Merged(block.attn)
    found = attnscope.sources(model, *given, markers=CHUNKS)
    for column in ("weight", "norm", "effect"):
        np.testing.assert_allclose(found[column], expected[column], atol=1e-5)
    two = {"input_ids": torch.ones(2, 5, dtype=torch.long)}
    said = "puts heads or parts of an item into the batch axis.* with 2 items .*: give one item"
    with pytest.raises(CaptureError, match=said), attnscope.ablate(model, [(0, 1)]):
        model(**two)


def test_an_answer_that_the_model_writes(analytic: Any, tokenizer: Any) -> None:
    options = {"markers": CHUNKS, "max_new_tokens": 3, "per": "token"}
    table = attnscope.sources(analytic, tokenizer, PROMPT, **options)
    assert table["text"][:3].tolist() == ["w6", "w7", "w8"]


def test_an_encoder_decoder_looks_at_its_source(root: Any) -> None:
    """The model spells "attention" backwards: the first letters written come from the end."""
    model, tokenizer = pretrained.load(str(root / "tests/fixtures/reversal"))
    options = {"ranges": [("atten", 0, 5), ("tion", 5, 9)], "per": "token"}
    table = rows_of(attnscope.sources(model, tokenizer, "attention", **options))
    assert "".join(row["text"] for (part, _), row in table.items() if part == "tion") == "noitnetta"
    for at in range(9):
        own, other = ("tion", "atten") if at < 4 else ("atten", "tion")
        assert table[own, at]["weight"] > table[other, at]["weight"]
    inputs = tokenizer("attention", return_tensors="pt")
    new = tokenizer(text_target="noitnetta", return_tensors="pt").input_ids[:, :-1]
    start = torch.tensor([[model.config.decoder_start_token_id]])
    inputs["decoder_input_ids"] = torch.cat([start, new[:, :-1]], dim=1)

    def log_probabilities() -> torch.Tensor:
        with torch.no_grad():
            rows = model(**inputs).logits[0].float().log_softmax(-1)
        return rows.gather(1, new[0][:, None])[:, 0]

    base, keys = log_probabilities(), {"keys": [5, 6, 7, 8]}
    with (
        attnscope.ablate(model, stream="encoder", **keys),
        attnscope.ablate(model, stream="cross", **keys),
    ):
        effects = (base - log_probabilities()).tolist()
    assert [table["tion", at]["effect"] for at in range(9)] == pytest.approx(effects, abs=1e-5)


@pytest.fixture(scope="module")
def reader() -> Any:
    """A random question-answering model with peaked attention, and its tokenizer."""
    model = hf.BertForQuestionAnswering(hf.BertConfig(**SMALL, intermediate_size=48)).eval()
    make_peaked(model)
    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|end|> $A <|end|>",
        pair="<|end|> $A <|end|> $B:1 <|end|>:1",
        special_tokens=[("<|end|>", 0)],
    )
    return model, tokenizer


CONTEXT = "w3 w4 w5 . w6 w7 . w8 w9 w10"


def spans(model: Any, tokenizer: Any, hidden: Any = (), banned: Any = ()) -> dict[Any, float]:
    """Log-probability of every span of up to 30 tokens of the context, by loops."""
    encoding = tokenizer(["w1 w2"], [CONTEXT], return_tensors="pt")
    with torch.no_grad():
        if len(hidden):
            with attnscope.ablate(model, keys=list(hidden)):
                output = model(**encoding)
        else:
            output = model(**encoding)
    start, end = (
        getattr(output, f"{side}_logits")[0, 4:14].log_softmax(-1) for side in ("start", "end")
    )
    return {
        (first, last): float(start[first] + end[last])
        for first in range(10)
        for last in range(first, 10)
        if not {first, last} & set(banned)
    }


def test_the_best_span_of_the_context_is_the_answer(reader: Any) -> None:
    model, tokenizer = reader
    found = attnscope.find_answer(model, tokenizer, "w1 w2", CONTEXT)
    scores = spans(*reader)
    first, last = max(scores, key=scores.__getitem__)
    words = CONTEXT.split()
    assert found.text == " ".join(words[first : last + 1])
    assert CONTEXT[found.start : found.stop] == found.text
    assert found.probability == pytest.approx(np.exp(scores[first, last]))
    assert found.sources["part"].tolist() == ["1: w3 w4 w5 .", "2: w6 w7 .", "3: w8 w9 w10"]
    parts = {"1: w3 w4 w5 .": range(4), "2: w6 w7 .": range(4, 7), "3: w8 w9 w10": range(7, 10)}
    for row in found.sources.rows():
        hidden = [4 + at for at in parts[row["part"]]]
        changed = spans(*reader, hidden)
        assert row["effect"] == pytest.approx(scores[first, last] - changed[first, last], abs=1e-5)
        left = spans(*reader, hidden, parts[row["part"]])
        begin, end = max(left, key=left.__getitem__)
        assert row["without"] == " ".join(words[begin : end + 1])
    assert found.sources["norm"].sum() <= 1 + 1e-6
    assert repr(found).startswith(f"'{found.text}' (")


def test_the_page_of_an_answer_has_its_shares_and_the_table(reader: Any) -> None:
    model, tokenizer = reader
    found = attnscope.find_answer(model, tokenizer, "w1 w2", CONTEXT)
    first, stop = found.span
    trace = attnscope.capture(model, tokenizer, "w1 w2", CONTEXT)
    rows = np.mean(
        [trace.weights(layer)[:, first:stop] for layer in trace.stream().numbers], (0, 1)
    )
    kept = ~trace.tokens.special
    kept[0] = False
    right = np.where(kept, rows / rows[:, kept].sum(-1, keepdims=True), 0).mean(0)
    np.testing.assert_allclose(found.shares["weight"], right, atol=1e-6)
    for row in found.sources.rows():
        for name in ("weight", "norm"):
            inside = found.shares[name][list(found.parts[row["part"]])]
            assert inside.sum() == pytest.approx(row[name], abs=1e-5)
    view = found.text_view()
    spec = view.spec
    assert json.loads(json.dumps(spec)) == spec
    assert [one["quantity"]["name"] for one in spec["streams"]] == ["weight", "norm"]
    side = spec["sides"][spec["streams"][0]["key"]]
    assert side["marked"] == list(range(first, stop))
    names = ["question", *found.sources["part"]]
    assert [segment["name"] for segment in side["segments"]] == names
    (table,) = spec["tables"]
    assert [row[4] for row in table["rows"]] == found.sources["without"].tolist()
    assert [row[3] for row in table["rows"]] == [f"{e:.3f}" for e in found.sources["effect"]]
    assert f"“{found.text}” ({found.probability:.3f})" in spec["title"]
    assert all(answer(view.trace, spec, request).data for request in requests_of(spec))


def test_parts_of_a_context_and_the_longest_answer(reader: Any) -> None:
    model, tokenizer = reader
    options = {"markers": {"one": "w3", "two": "w6"}, "longest": 1}
    found = attnscope.find_answer(model, tokenizer, "w1 w2", CONTEXT, **options)
    assert len(found.text.split()) == 1
    assert found.sources["part"].tolist() == ["one", "two"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prompt": " "}, "prompt must be a string with at least one word, got ' '"),
        ({"answer": 3}, "answer must be a string, got int"),
        ({"answer": ""}, "the answer has no token: give answer= with at least one word"),
        ({"markers": ["w31"]}, "the marker 'w31' is not in the text"),
        ({"markers": ["w1", "w5"]}, "the marker 'w5' is there 2 times: each must be there once"),
        ({"ranges": [("a", 8, 16), ("b", 14, 19)]}, "'a' and 'b' overlap at characters 14 to 16"),
        ({"ranges": [("a", 8, 99)]}, "'a' goes from character 8 to 99, which is no range of the"),
        ({"ranges": [("a", 7, 8)]}, "segment 'a' matches nothing: no token starts in characters 7"),
        ({"ranges": [("a", 0, 9)], "markers": ["w1"]}, "give ranges= or markers=, not both"),
        ({"per": "chunk"}, "per must be 'answer' or 'token', got 'chunk'"),
        ({"max_new_tokens": "many", "answer": None}, "max_new_tokens must be a whole number"),
    ],
    ids=str,
)
def test_what_does_not_fit(analytic: Any, tokenizer: Any, options: Any, said: str) -> None:
    given = {"prompt": PROMPT, "answer": "w6", **options}
    with pytest.raises(InputError, match=said):
        attnscope.sources(analytic, tokenizer, **given)


def test_models_of_another_kind(analytic: Any, tokenizer: Any, reader: Any) -> None:
    with pytest.raises(InputError, match="BertModel does not write: give answer="):
        attnscope.sources(build("bert"), tokenizer, PROMPT)
    with pytest.raises(
        InputError, match="question must be a string with at least one word, got ''"
    ):
        attnscope.find_answer(*reader, "", CONTEXT)
    with pytest.raises(InputError, match="the model gives no start and end logits: load it with"):
        attnscope.find_answer(build("bert"), reader[1], "w1", CONTEXT)
    with pytest.raises(InputError, match="segment 'a' matches nothing"):
        attnscope.find_answer(*reader, "w1", CONTEXT, ranges=[("a", 1, 2)])


def test_the_command_tables_the_parts_and_fails_on_request(
    analytic: Any, tokenizer: Any, tmp_path: Path
) -> None:
    analytic.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    markers = [part for marker in ("w1", "w5 w6", "w9") for part in ("--marker", marker)]
    given = ["sources", PROMPT, "--model", str(tmp_path), "--max-new-tokens", "2", *markers]

    def invoke(*more: str, **options: Any) -> Any:
        return CliRunner().invoke(cli.main, [*given, *more], **options)

    done = invoke("--json", "--from", "w5 w6")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [row["part"] for row in rows] == ["w1", "w5 w6", "w9"]
    assert rows[1]["effect"] > 10
    other = invoke("--csv", "--per", "token", "--from", "w1")
    assert other.exit_code == 1
    assert other.stderr.endswith("the answer comes from 'w5 w6' rather than 'w1'.\n")
    assert other.stdout.splitlines()[0] == "part,token,text,weight,norm,effect"
    assert len(other.stdout.splitlines()) == 1 + 3 * 2
    given[1] = "-"
    assert json.loads(invoke("--json", input=PROMPT + "\n").stdout) == rows
    wrong = invoke("--from", "w7")
    assert wrong.exit_code == 2
    assert "'w7' is no --marker." in wrong.stderr
    absent = invoke("--marker", "w31", input=PROMPT)
    assert absent.exit_code == 2
    said = "error: the marker 'w31' is not in the text: each must be there once.\n"
    assert absent.stderr.endswith(said)
