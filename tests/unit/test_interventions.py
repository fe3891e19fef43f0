"""Interventions: what they take, what they leave behind (nothing), where they reach."""

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
import transformers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.bert import modeling_bert

import attnscope
from attnscope import CaptureError, InputError, pretrained
from attnscope.capture.editing.edits import Gate
from attnscope.capture.editing.matching import Intervention, intervening
from attnscope.capture.forward import record
from attnscope.capture.hearing import registry
from attnscope.tokens import Tokens
from tests.models import FAMILIES, build, text

capture = importlib.import_module("attnscope.capture")

ORIGINAL = modeling_bert.ALL_ATTENTION_FUNCTIONS


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Any:
    yield
    assert modeling_bert.ALL_ATTENTION_FUNCTIONS is ORIGINAL
    assert not registry._wrapped
    assert not registry._here.editors


@pytest.fixture(scope="module")
def bert() -> Any:
    return build("bert")


@pytest.fixture(scope="module")
def gpt2() -> Any:
    return build("gpt2")


def ids_of(n: int = 9, seed: int = 0, batch: int = 1) -> torch.Tensor:
    return torch.randint(3, 64, (batch, n), generator=torch.Generator().manual_seed(seed))


def run(model: Any, ids: torch.Tensor | None = None, **inputs: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=ids_of() if ids is None else ids, **inputs)[0]


def hooks(model: Any) -> int:
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())


class Stop(Exception):
    """Raised by tests inside interventions."""


MAKERS = {
    "zero": lambda m, at, _: attnscope.ablate(m, [at]),
    "mean": lambda m, at, _: attnscope.ablate(m, [at], "mean"),
    "uniform": lambda m, at, _: attnscope.ablate(m, [at], "uniform"),
    "resample": lambda m, at, _: attnscope.ablate(m, [at], "resample"),
    "scale": lambda m, at, _: attnscope.ablate(m, [at], scale=0.5),
    "keys": lambda m, at, _: attnscope.ablate(m, keys=[at[0], at[1] + 2]),
    "layer": lambda m, at, _: attnscope.ablate(m, keys=3, layers=[at[0]]),
    "queries": lambda m, at, _: attnscope.ablate(m, [at], queries=[1, 2]),
    "pattern": lambda m, at, trace: attnscope.patch(m, trace, [at]),
    "output": lambda m, at, trace: attnscope.patch(m, trace, [at], "output"),
    "missing head": lambda m, at, _: attnscope.ablate(m, [(at[0], 9)]),
    "missing layer": lambda m, at, _: attnscope.ablate(m, [(7, at[1])]),
}
STEP = st.tuples(
    st.sampled_from(list(MAKERS)),
    st.tuples(st.integers(0, 1), st.integers(0, 3)),
    st.sampled_from(["run", "capture", "leave", "raise", "fail", "nothing"]),
)


def once(name: str) -> tuple[Any, Any]:
    """A model, and its trace of another text with as many tokens."""
    if name not in MODELS:
        model = build(name)
        MODELS[name] = model, capture(model, inputs={"input_ids": ids_of(seed=1)}, values=True)
    return MODELS[name]


def act(model: Any, then: str, stack: ExitStack) -> None:
    """One thing that happens inside the interventions that are on."""
    if then == "run":
        run(model)
    elif then == "capture":
        capture(model, inputs={"input_ids": ids_of()})
    elif then == "leave":
        stack.pop_all().close()
    elif then == "fail":  # in the middle of the model
        handle = list(model.modules())[-3].register_forward_hook(stop)
        try:
            run(model)
        finally:
            handle.remove()
    elif then == "raise":
        raise Stop


def stop(*_: Any) -> None:
    raise Stop


@settings(deadline=None, max_examples=60)
@given(
    st.lists(STEP, min_size=1, max_size=6),
    st.sampled_from(["bert", "gpt2", "llama", "bloom", "gptj"]),
)
def test_random_nests_of_interventions_leave_the_model_bit_for_bit(steps: Any, name: str) -> None:
    """Of models with the attention functions of transformers, and with attention of their own."""
    model, trace = once(name)
    before, state = run(model), {k: v.clone() for k, v in model.state_dict().items()}
    try:
        with ExitStack() as stack:
            for kind, at, then in steps:
                stack.enter_context(MAKERS[kind](model, at, trace))
                act(model, then, stack)
    except (Stop, InputError):
        pass
    assert torch.equal(run(model), before)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert hooks(model) == 0


MODELS: dict[str, tuple[Any, Any]] = {}


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


def test_a_step_of_one_token_has_no_mean_of_its_own(gpt2: Any) -> None:
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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"nothing to ablate: give heads=\[\(layer, head\), ...\], layers= or keys="),
        ({"heads": [3]}, r"heads must be \(layer, head\) pairs such as \[\(2, 3\)\], got \[3\]"),
        ({"heads": (2, 3)}, r"heads must be \(layer, head\) pairs"),
        ({"heads": []}, "heads is empty: name at least one head"),
        ({"layers": []}, "layers is empty: name at least one layer"),
        ({"heads": [(0, -1)]}, "head -1 is not there: heads are counted from 0"),
        ({"heads": [(0, 1.5)]}, r"head must be a whole number, got 1.5 \(float\)"),
        ({"heads": [(0, 1)], "layers": [0]}, "give heads= or layers=, not both"),
        ({"heads": [(0, 1)], "mode": "none"}, "mode must be one of 'zero', 'mean', 'uniform', 're"),
        ({"heads": [(0, 1)], "mode": "zero", "scale": 2}, "one of mode=, scale= and keys=, not mo"),
        ({"heads": [(0, 1)], "scale": "half"}, "scale must be a number, got 'half'"),
        ({"heads": [(0, 1)], "reference": {}}, "reference= goes with mode='mean' or 'resample', n"),
        ({"keys": 1, "tokens": "text"}, "tokens must be a Trace or Tokens of the text, got str"),
    ],
    ids=str,
)
def test_what_does_not_fit_together(bert: Any, options: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        attnscope.ablate(bert, **options)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        (
            "bert",
            {"heads": [(7, 0)]},
            "layer 7 is not in the self stream of BertModel, which has l",
        ),
        ("bert", {"heads": [(1, 4)]}, "head 4 is not in encoder.layer.1.attention.self, which has"),
        ("bert", {"keys": 9}, "key 9 is not there: encoder.layer.0.attention.self attends to keys"),
        (
            "bert",
            {"layers": [0], "stream": "cross"},
            "no stream 'cross' in BertModel; it has 'self'",
        ),
        ("bert", {"layers": [0], "stream": "encoder"}, "no stream 'encoder' in BertModel; it has "),
        (
            "gpt2",
            {"keys": 0, "queries": 0},
            "without these keys, query 0 has no key left to attend",
        ),
        ("bert", {"layers": [0], "mode": "mean", "reference": 3}, "reference must be model inputs"),
    ],
    ids=str,
)
def test_what_the_model_has_not_got(name: str, options: Any, said: str) -> None:
    model = build(name)
    with pytest.raises(InputError, match=said), attnscope.ablate(model, **options):
        run(model)


def test_streams_are_named_where_there_are_several() -> None:
    model = build("bart")
    inputs = FAMILIES["bart"].inputs()
    with (
        pytest.raises(
            InputError, match="has several streams: pass stream= one of 'encoder', 'deco"
        ),
        attnscope.ablate(model, [(0, 0)]),
    ):
        model(**inputs)
    keys = {"keys": range(11), "stream": "cross"}
    with (
        pytest.raises(InputError, match=r"query 0 has no key left to attend to in decoder\.layers"),
        attnscope.ablate(model, **keys),
    ):
        model(**inputs)


def test_models_without_attention_say_so() -> None:
    model = hf.RwkvModel(hf.RwkvConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2)).eval()
    with (
        pytest.raises(CaptureError, match="nothing in RwkvModel can be ablated or patched"),
        attnscope.ablate(model, [(0, 0)]),
    ):
        run(model)


def test_patches_that_do_not_fit(bert: Any) -> None:
    short = capture(bert, inputs={"input_ids": ids_of(5)})
    with (
        pytest.raises(
            InputError, match="weights of layer 1 are 5 queries × 5 keys, and the model n"
        ),
        attnscope.patch(bert, short, [(1, 0)]),
    ):
        run(bert)
    with pytest.raises(InputError, match="what='output' needs the values of the trace, and it has"):
        attnscope.patch(bert, short, [(1, 0)], "output")
    with pytest.raises(InputError, match="head 6 is not in layer 1 of the self stream, which has"):
        attnscope.patch(bert, short, [(1, 6)])
    with pytest.raises(InputError, match="patch takes the attention of a Trace, got int"):
        attnscope.patch(bert, 3, [(1, 0)])
    with pytest.raises(InputError, match="what must be 'pattern' or 'output', got 'values'"):
        attnscope.patch(bert, short, [(1, 0)], "values")
    with pytest.raises(InputError, match=r"nothing to patch: give heads="):
        attnscope.patch(bert, short)
    sinks = build("gpt_oss")
    trace = capture(sinks, inputs={"input_ids": ids_of()})
    with (
        pytest.raises(CaptureError, match="has a learned sink that takes part in its softmax"),
        attnscope.patch(sinks, trace, [(1, 0)]),
    ):
        run(sinks)


def test_an_error_of_ours_is_not_said_to_be_the_models(bert: Any) -> None:
    with (
        pytest.raises(InputError, match="layer 7 is not in") as caught,
        attnscope.ablate(bert, [(7, 0)]),
    ):
        capture(bert, inputs={"input_ids": ids_of()})
    assert not hasattr(caught.value, "__notes__")


def test_a_query_that_no_pass_reads_is_an_error_and_no_ablation_that_did_nothing(bert) -> None:
    ids = torch.tensor([[3, 4, 5, 6]])
    with pytest.raises(InputError) as caught, attnscope.ablate(bert, [(0, 1)], queries=[2, 9]):
        bert(ids)
    assert str(caught.value) == (
        "queries: token 9 was never read, so that nothing was done to it; the forward passes "
        "inside the block read tokens 0 to 3."
    )
    with attnscope.ablate(bert, [(0, 1)], queries=[9]):
        pass  # no pass, and nothing to say


def test_a_query_may_be_one_that_is_generated() -> None:
    model = build("gpt2")
    with attnscope.ablate(model, [(0, 1)], queries=[6]):
        model.generate(
            torch.tensor([[3, 4, 5]]), max_new_tokens=6, min_new_tokens=6, pad_token_id=0
        )


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
