"""from_attention: what it takes, and what it says about what it does not take."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest

import attnscope
from attnscope import AttnscopeWarning, InputError

RNG = np.random.default_rng(0)


def attention(layers: int = 2, heads: int = 3, query: int = 4, key: int = 4) -> np.ndarray:
    scores = RNG.standard_normal((layers, heads, query, key)).astype(np.float32)
    return np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)


def as_torch(array: np.ndarray) -> list:
    torch = pytest.importorskip("torch")
    return [torch.tensor(layer[None], requires_grad=True) for layer in array]


@pytest.mark.parametrize(
    "form",
    [
        lambda a: a,
        lambda a: a[:, None],
        list,
        lambda a: tuple(layer[None] for layer in a),
        lambda a: [layer.tolist() for layer in a],
        lambda a: a.astype(np.float64),
        as_torch,
    ],
)
def test_every_form_gives_the_same_weights(form: object) -> None:
    array = attention()
    trace = attnscope.from_attention(form(array), list("abcd"))  # type: ignore[operator]
    for layer in range(2):
        np.testing.assert_array_equal(trace.weights(layer), array[layer])
        np.testing.assert_array_equal(trace.weights(layer, 1), array[layer, 1])
        np.testing.assert_array_equal(trace.rows(layer, 2, slice(1, 3)), array[layer, 2, 1:3])


def test_torch_bfloat16_is_read() -> None:
    torch = pytest.importorskip("torch")
    layer = torch.full((1, 2, 2, 2), 0.5, dtype=torch.bfloat16)
    assert (
        attnscope.from_attention([layer], ["a", "b"]).weights(0).tolist() == [[[0.5] * 2] * 2] * 2
    )


def test_a_layer_that_is_none_keeps_the_numbers_of_the_others() -> None:
    first, second = attention()
    trace = attnscope.from_attention([None, first, None, second], list("abcd"))
    assert trace.streams["self"].numbers == (1, 3)
    np.testing.assert_array_equal(trace.weights(3), second)
    with pytest.raises(
        InputError, match="layer 0 is not in the self stream, which has layers 1, 3"
    ):
        trace.weights(0)


def test_index_takes_an_item_of_a_batch() -> None:
    batch = np.stack([attention()[0], attention()[0]])
    trace = attnscope.from_attention([batch], list("abcd"), index=1)
    np.testing.assert_array_equal(trace.weights(0), batch[1])


def test_encoder_decoder_streams_may_differ_in_every_count() -> None:
    trace = attnscope.from_attention(
        encoder=attention(2, 3, 4, 4),
        decoder=attention(3, 2, 5, 5),
        cross=attention(3, 2, 5, 4),
        tokens=list("abcd"),
        target_tokens=list("vwxyz"),
    )
    assert list(trace.streams) == ["encoder", "decoder", "cross"]
    assert trace.weights(2, 1, stream="cross").shape == (5, 4)
    assert trace.streams["cross"].query.text == tuple("vwxyz")
    with pytest.raises(InputError, match="several streams: pass stream= one of 'encoder'"):
        trace.weights(0)
    with pytest.raises(InputError, match="no stream 'self' in this trace; it has 'encoder'"):
        trace.weights(0, stream="self")


def test_without_tokens_positions_stand_in() -> None:
    assert attnscope.from_attention(attention()).tokens.text == ("0", "1", "2", "3")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (attnscope.from_attention, "no attention given: attention=None. Load the model"),
        (lambda: attnscope.from_attention(()), "no weights: an empty tuple. Models run with SDPA"),
        (lambda: attnscope.from_attention([None] * 2), "attn_implementation='eager'"),
        (lambda: attnscope.from_attention(np.ones((4, 4))), "one array of shape (4, 4): expected"),
        (lambda: attnscope.from_attention([np.ones((4, 4))]), "self layer 0 has shape (4, 4)"),
        (
            lambda: attnscope.from_attention([np.ones((2, 3, 4, 4))]),
            "a batch of 2: pass index= 0 to 1",
        ),
        (
            lambda: attnscope.from_attention([np.ones((2, 3, 4, 4))], index=2),
            "index 2 is not in the batch",
        ),
        (
            lambda: attnscope.from_attention(attention(), ["a"]),
            "self attention has 4 queries, while tokens= has 1 tokens (a)",
        ),
        (
            lambda: attnscope.from_attention(attention(), "abcd"),
            "one string a token, got str 'abcd'",
        ),
        (lambda: attnscope.from_attention(attention(), 7), "one string a token, got int '7'"),
        (
            lambda: attnscope.from_attention({"a": 1}),
            "nothing in this mapping is attention",
        ),
        (lambda: attnscope.from_attention([["x"]]), "cannot be read as an array of numbers"),
        (
            lambda: attnscope.from_attention([attention()[0], attention(key=5)[0]]),
            "different sizes [(4, 4), (4, 5)]",
        ),
        (
            lambda: attnscope.from_attention(attention(), cross=attention()),
            "together with cross=: pass attention=",
        ),
        (lambda: attnscope.from_attention([np.ones((0, 4, 4))]), "with at least one of each"),
        (lambda: attnscope.from_attention([tuple(attention())] * 2), "batch of 2"),
    ],
)
def test_what_does_not_fit_is_named(call: object, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()  # type: ignore[operator]
    assert text in str(caught.value)


def test_one_warning_for_everything_unusual() -> None:
    odd = attention()
    odd[0, 0, 0, 0] = np.nan
    odd[1] *= 3
    with pytest.warns(AttnscopeWarning) as caught:
        trace = attnscope.from_attention(odd, list("abcd"))
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "1 weights are NaN and shown as missing (first in self layer 0)" in text
    assert "rows do not sum to 1" in text
    assert "(first in self layer 1)" in text
    assert np.isnan(trace.weights(0, 0)[0, 0])


def test_masked_rows_are_not_unusual() -> None:
    masked = attention()
    masked[:, :, 2] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attnscope.from_attention(masked, list("abcd"))


def test_a_trace_keeps_its_own_copy() -> None:
    array = attention()
    trace = attnscope.from_attention(array, list("abcd"))
    kept = trace.weights(0).copy()
    array[:] = 0
    np.testing.assert_array_equal(trace.weights(0), kept)
    with pytest.raises(AttributeError, match="a Trace is immutable"):
        trace.streams = {}


def test_masked_arrays_have_missing_weights() -> None:
    hidden = np.ma.masked_array(attention()[0], mask=np.eye(4, dtype=bool)[None].repeat(3, 0))
    with pytest.warns(AttnscopeWarning, match="12 weights are NaN and shown as missing"):
        trace = attnscope.from_attention([hidden], list("abcd"))
    assert np.isnan(trace.weights(0, 0).diagonal()).all()


def test_tokens_keep_their_segments() -> None:
    tokens = attnscope.Tokens.plain("abcd", segments=[2])
    assert attnscope.from_attention(attention(), tokens).tokens.segments == tokens.segments


def test_what_looked_unusual_is_noted_for_the_page() -> None:
    with pytest.warns(AttnscopeWarning):
        trace = attnscope.from_attention(attention() * 3, list("abcd"))
    notes = trace.head_view().spec["notes"]
    assert any("expected 0 to 1" in note and "shown as missing" in note for note in notes)


def test_a_trace_can_be_pickled_and_copied() -> None:
    trace = attnscope.from_attention(attention(), list("abcd"), segments=[2], model="m")
    for other in (pickle.loads(pickle.dumps(trace)), copy.deepcopy(trace)):
        np.testing.assert_array_equal(other.weights(1), trace.weights(1))
        assert other.tokens.segments == trace.tokens.segments
        assert other.provenance == trace.provenance


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: t.rows(0, 0, [0, 2]), "queries must be a slice, such as slice(3, 5)"),
        (lambda t: t.rows(0, 0, 1), "queries must be a slice"),
        (lambda t: t.stream([]), "no stream [] in this trace; it has 'self'"),
        (lambda t: t.head_view(theme=["dark"]), "theme must be one of"),
        (lambda t: t.head_view().save(None), "path must be the name of a file, got None"),
        (lambda t: t.head_view().save(5), "path must be the name of a file, got 5"),
        (lambda _: attnscope.from_attention(attention(), segments=[1]), "pass tokens= as well"),
        (lambda _: attnscope.from_attention(attention(), set("abcd")), "got set"),
        (lambda _: attnscope.from_attention(attention(), np.zeros(())), "got ndarray"),
        (lambda _: attnscope.from_attention(attention() * 1j, list("abcd")), "complex"),
        (
            lambda _: attnscope.from_attention(attention(), list("abcd"), segments="abc"),
            "segments must be a list such as [('question', 0, 9)",
        ),
        (
            lambda _: attnscope.from_attention(attention(), list("abcd"), segments=[("a", 0)]),
            "segments must be (name, start, stop) in order",
        ),
        (
            lambda _: attnscope.from_attention(attention(), list("abcd"), segments=[1.5]),
            "got 1.5",
        ),
    ],
)
def test_wrong_kinds_of_things_are_named(call: object, text: str) -> None:
    trace = attnscope.from_attention(attention(), list("abcd"))
    with pytest.raises(InputError) as caught:
        call(trace)  # type: ignore[operator]
    assert text in str(caught.value)
