"""Runs of head importance: what they go through, resume, share and leave behind."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn

import attnscope
from attnscope import InputError
from attnscope.capture.importance import heads as importance
from attnscope.capture.importance import replay
from attnscope.capture.importance.replay import blocks_of
from tests.generating import build_writer
from tests.models import build, make_peaked
from tests.repeated import of, repeated


def naive(model: Any, tokenizer: Any, texts: list[str]) -> dict[tuple[int, int], float]:
    """Loss of each text by itself, with the head ablated and without."""

    def losses() -> np.ndarray:
        found = []
        for text in texts:
            ids = tokenizer(text, return_tensors="pt").input_ids
            with torch.no_grad():
                logits = model(input_ids=ids).logits
                found.append(float(nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:])))
        return np.array(found)

    base, found = losses(), {}
    for layer in range(2):
        for head in range(4):
            with attnscope.ablate(model, [(layer, head)]):
                found[layer, head] = float((losses() - base).mean())
    return found


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_batches_give_what_a_loop_gives(tokenizer, batch_size) -> None:
    """Texts of different lengths, several heads in a batch or several batches."""
    model = build("gpt2")
    texts = ["w1 w2 w3 w4 w9", "w7 w7 w8", "w5 w3 w3 w20 w21 w22 w5", "w30 w2 w2 w2"]
    found = of(attnscope.importance(model, tokenizer, texts, batch_size=batch_size, null=False))
    for cell, value in naive(model, tokenizer, texts).items():
        assert found[cell] == pytest.approx(value, abs=2e-5)


def counted_blocks(model: Any, path: str) -> list[str]:
    """Notes every attention module that runs from now on, by name."""
    ran: list[str] = []
    for name, module in model.named_modules():
        if re.search(path, name):
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    return ran


@pytest.mark.parametrize(
    ("name", "attention"),
    [
        ("gpt2", r"attn$"),
        ("llama", r"self_attn$"),
        ("gemma2", r"self_attn$"),
        ("gpt_oss", r"self_attn$"),
        ("gptj", r"attn$"),
        ("bloom", r"self_attention$"),
    ],
)
@pytest.mark.parametrize("batch_size", [2, 8])
def test_earlier_layers_are_not_run_again_and_nothing_changes(
    tokenizer, monkeypatch, name: str, attention: str, batch_size: int
) -> None:
    texts = ["w1 w2 w3 w4 w9", "w7 w7 w8"]
    options = {"batch_size": batch_size, "null": False}
    ran = counted_blocks(model := build_writer(name), attention)
    found = attnscope.importance(model, tokenizer, texts, **options)
    assert ran.count(max(ran)) > ran.count(min(ran)) + 1
    assert all("forward" not in vars(module) for module in model.modules())
    monkeypatch.setattr(replay, "MOST", 0)
    whole = counted_blocks(model := build_writer(name), attention)
    expected = attnscope.importance(model, tokenizer, texts, **options)
    assert whole.count(max(whole)) == whole.count(min(whole))
    for column in ("layer", "head", "importance", "low", "high"):
        np.testing.assert_allclose(found[column], expected[column], atol=1e-6)


def test_blocks_are_the_outermost_modules_with_one_layer_in_them() -> None:
    names = {0: "model.h.0.attn", 1: "model.h.1.attn", 2: "model.h.10.attn"}
    assert blocks_of(names) == {0: "model.h.0", 1: "model.h.1", 2: "model.h.10"}
    assert blocks_of({0: "albert.layer", 1: "albert.layer"}) == {}


class Beside(hf.GPT2LMHeadModel):
    """A GPT-2 whose second block reads what its first block has left in a drawer."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        first, second = self.transformer.h
        drawer: list[torch.Tensor] = []
        self.transformer.register_forward_pre_hook(lambda *_: drawer.clear())
        first.register_forward_pre_hook(lambda _, args: drawer.append(args[0]))
        first.attn.register_forward_hook(lambda *_: drawer.append(drawer[0] * 2))
        second.ln_1.register_forward_hook(lambda *args: args[2] + drawer[1])


def test_models_that_hand_things_on_otherwise_are_run_whole(tokenizer) -> None:
    torch.manual_seed(0)
    model = Beside(build("gpt2").config).eval()
    make_peaked(model)
    ran = counted_blocks(model, r"attn$")
    texts = ["w1 w2 w3 w4 w9", "w7 w7 w8"]
    found = of(attnscope.importance(model, tokenizer, texts, null=False))
    assert ran.count("transformer.h.1.attn") <= ran.count("transformer.h.0.attn")
    for cell, value in naive(model, tokenizer, texts).items():
        assert found[cell] == pytest.approx(value, abs=2e-5)


def test_logits_are_made_where_they_are_read(tokenizer, monkeypatch) -> None:
    model, rows = build("gpt2"), []
    model.lm_head.register_forward_hook(lambda *args: rows.append(args[2].shape[:-1]))
    texts, targets = ["w1 w2 w3 w4 w9", "w7 w7 w8"], [" w3 w4", " w5"]
    found = attnscope.importance(model, tokenizer, texts, targets, null=False)
    assert rows[:3] == [(1, 5), (1, 6), (2, 6)]  # kind of model, shapes, base
    assert rows[3:] == [(4 * 3,)] * 3  # trial, four heads of each layer: three words are asked for
    monkeypatch.setattr(importance, "unembedding_of", lambda *_: None)
    expected = attnscope.importance(model, tokenizer, texts, targets, null=False)
    assert rows[-1] == (8, 6)
    np.testing.assert_allclose(found["importance"], expected["importance"], atol=1e-6)


class Penalised(hf.GPT2LMHeadModel):
    """A GPT-2 whose logits depend on where they are."""

    def forward(self, input_ids: Any = None, attention_mask: Any = None, **others: Any) -> Any:
        output = super().forward(input_ids=input_ids, attention_mask=attention_mask, **others)
        output.logits = output.logits * torch.arange(1, 1 + output.logits.shape[-2])[:, None]
        return output


def test_logits_that_depend_on_their_place_are_made_everywhere(tokenizer) -> None:
    torch.manual_seed(0)
    model = Penalised(build("gpt2").config).eval()
    make_peaked(model)
    texts = ["w1 w2 w3 w4 w9", "w7 w7 w8"]
    found = of(attnscope.importance(model, tokenizer, texts, null=False))
    for cell, value in naive(model, tokenizer, texts).items():
        assert found[cell] == pytest.approx(value, abs=2e-5)


def test_a_run_that_was_stopped_goes_on(analytic, tokenizer, tmp_path: Path) -> None:
    texts, path = repeated(4), tmp_path / "state.json"
    whole = attnscope.importance(analytic, tokenizer, texts, batch_size=4)
    passes = []

    class Stop(Exception):
        pass

    def counted(stop_at: int) -> Any:
        passes.clear()

        def count(*_: Any) -> None:
            passes.append(1)
            if len(passes) == stop_at:
                raise Stop

        return analytic.register_forward_hook(count)

    handle = counted(7)
    with pytest.raises(Stop):
        attnscope.importance(analytic, tokenizer, texts, batch_size=4, state=path)
    handle.remove()
    kept = json.loads(path.read_text())["done"]
    assert len(kept) == 3  # two passes find out shapes, one is a trial; the base, two heads
    handle = counted(0)
    resumed = attnscope.importance(analytic, tokenizer, texts, batch_size=4, state=path)
    handle.remove()
    assert len(passes) == 2 + (2 + 2) + (2 + 4)  # shapes; base, trial and the heads not yet known
    for name in whole.columns:
        np.testing.assert_array_equal(whole[name], resumed[name])
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]
    handle = counted(0)
    attnscope.importance(analytic, tokenizer, texts, batch_size=4, state=path)
    handle.remove()
    assert len(passes) == 2  # one asks for the shape of logits, one for that of the model


def test_a_bar_counts_the_passes(analytic, tokenizer, capfd, monkeypatch) -> None:
    counted = []

    class Bar(importance.tqdm):
        def close(self) -> None:
            counted.append((self.n, self.total))
            super().close()

    monkeypatch.setattr(importance, "tqdm", Bar)
    texts = repeated(2)
    attnscope.importance(analytic, tokenizer, texts, batch_size=2, progress=True)
    assert counted[0] == (8, 8)  # four heads, and four of the null
    assert "importance" in capfd.readouterr().err
    attnscope.importance(analytic, tokenizer, texts)  # some milliseconds: no bar
    assert capfd.readouterr().err == ""


def test_runs_on_several_threads_do_not_disturb_each_other(tokenizer) -> None:
    model, texts = build_writer("gpt2"), ["w1 w2 w3 w8", "w4 w5 w6", "w9 w9 w2"]

    def ask(_: int) -> Any:
        return attnscope.importance(model, tokenizer, texts, batch_size=3)["importance"]

    expected = ask(0)
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(ask, range(4)):
            np.testing.assert_allclose(found, expected, atol=1e-6)
    assert all("forward" not in vars(module) for module in model.modules())
    assert not replay._turn.locked()


def test_an_interrupted_run_leaves_the_model_as_it_was(tokenizer) -> None:
    model = build_writer("gpt2")
    ids = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
    passes: list[int] = []

    def count(*_: Any) -> None:
        passes.append(1)
        if len(passes) == 9:
            raise KeyboardInterrupt

    handle = model.transformer.h[1].mlp.register_forward_hook(count)
    with pytest.raises(KeyboardInterrupt):
        attnscope.importance(model, tokenizer, ["w1 w2 w3", "w4 w5 w6"], batch_size=2)
    handle.remove()
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, before)
    assert all("forward" not in vars(module) for module in model.modules())


def test_the_state_of_another_run_is_not_taken(analytic, tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    attnscope.importance(analytic, tokenizer, repeated(2), null=False, state=path)
    with pytest.raises(InputError, match=r"state.json belongs to another run: it differs in the t"):
        attnscope.importance(analytic, tokenizer, repeated(2, 1), null=False, state=path)
    with pytest.raises(InputError, match="differs in metric, null"):
        attnscope.importance(analytic, tokenizer, repeated(2), metric="accuracy", state=path)
    with pytest.raises(InputError, match="differs in the model"):
        attnscope.importance(build("gpt2"), tokenizer, repeated(2), null=False, state=path)
    path.write_text("{}")
    with pytest.raises(InputError, match=r"state.json is no state file of attnscope"):
        attnscope.importance(analytic, tokenizer, repeated(2), null=False, state=path)
    with pytest.raises(attnscope.SaveError, match=r"could not write .* Give state= a file"):
        attnscope.importance(
            analytic, tokenizer, repeated(2), null=False, state=tmp_path / "no" / "state.json"
        )
