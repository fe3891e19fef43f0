"""Interventions: what they do, that they add up, and where they reach."""

from __future__ import annotations

import importlib
import random
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import attnscope
from attnscope import InputError, pretrained
from attnscope.capture.editing.edits import Gate
from attnscope.capture.editing.matching import Intervention, intervening
from attnscope.capture.forward import record
from attnscope.tokens import Tokens
from tests.intervening import ids_of, nothing_left_behind, run
from tests.models import FAMILIES, build, text

capture = importlib.import_module("attnscope.capture")

nothing_is_left_behind = pytest.fixture(autouse=True)(nothing_left_behind)


def test_nested_interventions_add_up(bert: Any) -> None:
    with attnscope.ablate(bert, [(0, 1), (1, 2), (1, 3)]):
        both = run(bert)
    with attnscope.ablate(bert, [(1, 2)]), attnscope.ablate(bert, [(0, 1)]):
        with attnscope.ablate(bert, [(1, 3)]):
            assert torch.equal(run(bert), both)
        assert not torch.equal(run(bert), both)


def test_they_may_end_in_another_order(bert: Any) -> None:
    plain, first, second = run(bert), attnscope.ablate(bert, [(0, 1)]), ExitStack()
    with first:
        second.enter_context(attnscope.ablate(bert, [(1, 2)]))
    with attnscope.ablate(bert, [(1, 2)]):
        expected = run(bert)
    assert torch.equal(run(bert), expected)
    second.close()
    assert torch.equal(run(bert), plain)


def test_scaling_is_linear_and_one_is_nothing(bert: Any) -> None:
    layer = bert.encoder.layer[1].attention.output.dense
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    for factor in (1, 0.25, 0):
        with attnscope.ablate(bert, [(1, 2)], scale=factor):
            run(bert)
    run(bert)
    handle.remove()
    full, quarter, none, plain = seen
    assert torch.equal(full, plain)
    torch.testing.assert_close(quarter[..., 16:24], plain[..., 16:24] / 4)
    assert not none[..., 16:24].any()
    assert torch.equal(none[..., :16], plain[..., :16])


def test_mean_and_resample_use_the_texts_own_tokens_and_no_padding(bert: Any) -> None:
    inputs, seen = text(), {}
    layer = bert.encoder.layer[1].attention.output.dense
    for mode in (None, "mean", "resample"):
        handle = layer.register_forward_pre_hook(
            lambda _, args, mode=mode: seen.update({mode: args[0][..., 8:16].clone()})
        )
        with ExitStack() as stack:
            if mode is not None:
                stack.enter_context(attnscope.ablate(bert, [(1, 1)], mode))
            run(bert, inputs["input_ids"], attention_mask=inputs["attention_mask"])
        handle.remove()
    kept = [inputs["attention_mask"][item].bool() for item in (0, 1)]
    for item in (0, 1):
        mean = seen[None][item, kept[item]].mean(0)
        torch.testing.assert_close(seen["mean"][item], mean.expand(11, -1))
    pool = torch.cat([seen[None][item, kept[item]] for item in (0, 1)])
    drawn = seen["resample"].reshape(-1, 8)
    assert (torch.cdist(drawn, pool).min(1).values < 1e-5).all()
    assert len(drawn.unique(dim=0)) > 3


def test_means_of_a_reference(bert: Any) -> None:
    layer, seen = bert.encoder.layer[0].attention.output.dense, []
    handle = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    references = [{"input_ids": ids_of(7, 5)}, text()]
    for reference in references:
        run(
            bert, **{**reference, "ids": reference["input_ids"]} if False else {}
        ) if False else None
    with attnscope.ablate(bert, [(0, 2)], "mean", reference=references):
        run(bert)
    handle.remove()
    kept = references[1]["attention_mask"].bool()
    pool = torch.cat([seen[0][0], seen[1][0, kept[0]], seen[1][1, kept[1]]])
    torch.testing.assert_close(seen[2][0, :, 16:24], pool.mean(0)[16:24].expand(9, -1))


def test_draws_depend_on_the_seed_alone(bert: Any) -> None:
    def drawn(seed: int) -> torch.Tensor:
        with attnscope.ablate(bert, [(1, 1)], "resample", seed=seed):
            return run(bert)

    torch.rand(3)
    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    state = torch.random.get_rng_state()
    drawn(1)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_only_these_queries(bert: Any) -> None:
    """Layer 1 is the last: a change at token 2 cannot reach other tokens."""
    plain = run(bert)
    for options in ({"mode": "zero"}, {"mode": "uniform"}, {"scale": 3.0}):
        with attnscope.ablate(bert, [(1, 1)], queries=[2], **options):
            changed = run(bert)
        differs = [not torch.equal(changed[0, at], plain[0, at]) for at in range(9)]
        assert differs == [at == 2 for at in range(9)]


def test_exactly_these_queries_do_not_see_a_key(bert: Any) -> None:
    with attnscope.ablate(bert, [(1, 0)], keys=[4], queries=[4, 5]):
        trace = capture(bert, inputs={"input_ids": ids_of()})
    weights = trace.weights(1)
    assert not weights[0, [4, 5], 4].any()
    assert (weights[0, [3, 6], 4] > 0).all()
    assert (weights[1:, :, 4] > 0).all()


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "zero", "heads": [(1, 1)]},
        {"mode": "uniform", "heads": [(1, 1), (0, 0)]},
        {"keys": [2, 3]},
        {"keys": [2], "queries": [8, 9, 10]},
        {"mode": "zero", "heads": [(0, 1)], "queries": [7, 8, 9]},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["gpt2", "llama", "mistral", "gemma2"])
def test_generation_is_the_same_with_every_cache(name: str, options: Any) -> None:
    """Positions are counted from the first token, whatever a step is given."""
    model = build(name) if name == "gpt2" else language_model(name)
    prompt = ids_of(7, 2)
    settings = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    with attnscope.ablate(model, **options):
        cached = model.generate(prompt, **settings)
        slow = model.generate(prompt, use_cache=False, **settings)
        static = model.generate(prompt, cache_implementation="static", **settings)
        logits = run(model, slow)
        assert torch.equal(run(model, slow), logits)
    assert cached.tolist() == slow.tolist() == static.tolist()
    assert logits[0, 6:-1].argmax(-1).tolist() == slow[0, 7:].tolist()


def language_model(name: str) -> Any:
    import transformers as hf

    from tests.models import make_peaked

    family = FAMILIES[name]
    config = getattr(hf, family.config)(**family.options)
    config._attn_implementation = family.implementation
    torch.manual_seed(0)
    model = getattr(hf, family.model.replace("Model", "ForCausalLM"))(config)
    make_peaked(model)
    return model.eval()


def test_an_encoder_decoder_generates_under_ablation(root: Path) -> None:
    """The model spells words backwards, and its cross-attention does it."""
    model, tokenizer = pretrained.load(str(root / "tests/fixtures/reversal"))
    inputs = tokenizer("attention", return_tensors="pt")
    inputs |= {"do_sample": False, "max_new_tokens": 16}
    plain = model.generate(**inputs)
    for stream in ("encoder", "decoder", "cross"):
        with attnscope.ablate(model, layers=[0], stream=stream):
            changed = model.generate(**inputs)
            slow = model.generate(**inputs, use_cache=False)
        assert changed.tolist() == slow.tolist()
        if stream == "cross":
            assert changed.tolist() != plain.tolist()


def test_a_step_of_one_token_has_no_mean_of_its_own() -> None:
    gpt2 = build("gpt2")
    with (
        pytest.raises(InputError, match="was called with one token, as in generation: there is"),
        attnscope.ablate(gpt2, [(0, 0)], "mean"),
    ):
        gpt2.generate(ids_of(4), max_new_tokens=3, do_sample=False)
    with attnscope.ablate(gpt2, [(0, 0)], "mean", reference={"input_ids": ids_of(8, 4)}):
        gpt2.generate(ids_of(4), max_new_tokens=3, do_sample=False)


def test_other_models_and_other_threads_are_not_concerned(bert: Any) -> None:
    other = build("bert")
    plain, elsewhere = run(bert), []
    with attnscope.ablate(bert, [(0, 0)]):
        thread = threading.Thread(target=lambda: elsewhere.append(run(bert)))
        thread.start()
        thread.join()
        assert torch.equal(run(other), plain)
        assert not torch.equal(run(bert), plain)
    assert torch.equal(elsewhere[0], plain)


def test_ablations_on_many_threads_at_once(bert: Any) -> None:
    heads = [(layer, head) for layer in (0, 1) for head in range(4)]
    expected = {}
    for at in heads:
        with attnscope.ablate(bert, [at]):
            expected[at] = run(bert)
    wrong = []

    def work(seed: int) -> None:
        for at in random.Random(seed).sample(heads, 8):
            with attnscope.ablate(bert, [at]):
                if not torch.equal(run(bert), expected[at]):
                    wrong.append(at)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_gates_give_each_item_its_own_ablation(bert: Any) -> None:
    ids = ids_of(batch=3)
    factors = torch.ones(3, 4)
    factors[1, 2], factors[2, 0] = 0, 0
    gate = Gate({1: factors})
    with torch.no_grad(), intervening(Intervention(bert, gate, {1: None}, None, "")):
        together = run(bert, ids)
    for item, head in ((1, 2), (2, 0)):
        with attnscope.ablate(bert, [(1, head)]):
            torch.testing.assert_close(together[item], run(bert, ids)[item])
    torch.testing.assert_close(together[0], run(bert, ids)[0])


def test_values_of_a_zeroed_head_move_nothing(bert: Any) -> None:
    inputs = {"input_ids": ids_of()}
    with attnscope.ablate(bert, [(1, 2)], scale=0.5), attnscope.ablate(bert, [(1, 1)]):
        layer: Any = capture(bert, inputs=inputs, values=True).stream().layer(1)
    plain: Any = capture(bert, inputs=inputs, values=True).stream().layer(1)
    ours, theirs = layer.mixing.moved(), plain.mixing.moved()
    assert layer.mixing.lacking == plain.mixing.lacking == ""
    assert not ours[1].any()
    np.testing.assert_allclose(ours[2], theirs[2] / 2, atol=1e-6)
    np.testing.assert_allclose(ours[[0, 3]], theirs[[0, 3]], atol=1e-6)
    with attnscope.ablate(bert, [(1, 1)], "mean"):
        layer = capture(bert, inputs=inputs, values=True).stream().layer(1)
    assert "do not explain its output" in layer.mixing.lacking


def test_keys_by_name(bert: Any) -> None:
    words = ["[CLS]", "the", "tele", "##scope", "saw", "the", "man", ".", "[SEP]"]
    tokens = Tokens.plain(words, segments=[("question", 0, 5), ("context", 5, 9)])

    def hidden(**options: Any) -> list[int]:
        with attnscope.ablate(bert, tokens=tokens, **options):
            trace = capture(bert, inputs={"input_ids": ids_of()})
        return np.flatnonzero(trace.weights(1, 0)[8] == 0).tolist()

    assert hidden(keys="telescope") == [2, 3]
    assert hidden(keys="man") == [6]
    assert hidden(keys=["saw", 6, range(1, 3)]) == [1, 2, 4, 6]
    assert hidden(keys="question") == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match=r"keys: 'the' is there 2 times, at 1, 5: give positions"):
        attnscope.ablate(bert, keys="the", tokens=tokens)
    with pytest.raises(
        InputError, match=r"'cat' is no segment, word or token. Segments: 'question'"
    ):
        attnscope.ablate(bert, keys="cat", tokens=tokens)
    with pytest.raises(InputError, match="names 'man', and there are no tokens to look it up in"):
        attnscope.ablate(bert, keys="man")
    with pytest.raises(InputError, match="position 9 is not there; tokens go from 0 to 8"):
        attnscope.ablate(bert, keys=9, tokens=tokens)
    with pytest.raises(InputError, match="queries is empty: name at least one token"):
        attnscope.ablate(bert, keys=1, queries=[])


def test_hooks_that_torch_calls_without_keywords_on_another_thread_do_nothing(bert: Any) -> None:
    """As it does between adding a hook and marking that it wants keywords, which takes no lock."""
    failed = []

    def as_another_thread() -> None:
        for module in bert.modules():
            for hook in list(module._forward_pre_hooks.values()):
                try:
                    assert hook(module, ()) is None
                except Exception as error:
                    failed.append(error)

    with attnscope.ablate(bert, [(0, 1)]), record(bert, values=True) as recording:
        run(bert)
        other = threading.Thread(target=as_another_thread)
        other.start()
        other.join()
        run(bert)
    assert not failed
    assert recording.calls
