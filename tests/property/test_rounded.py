"""Queries and keys in eight bits: no weight is further off than its row says, by any rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnscope import InputError
from attnscope.hosts.dense import dense_text
from attnscope.scores import QKLayer
from attnscope.wire.rounded import BOUND_TABLE, bound_codes, restored, rounded_arrays, stated, widen
from tests.rules import RULES, exact, layer_of


@pytest.mark.parametrize("name", RULES)
@given(
    seed=st.integers(0, 2**32), n=st.integers(1, 40), size=st.floats(0.01, 6),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_no_weight_and_no_score_is_further_off_than_its_row_says(
    name: str, seed: int, n: int, size: float
) -> None:
    layer = layer_of(seed, name, n, size)
    check(layer, rounded_arrays(layer, range(4), 0))


def check(layer: QKLayer, named: dict[str, np.ndarray]) -> None:
    true, true_scores = exact(layer, widen(layer.queries), widen(layer.keys))
    read = [
        restored(named[side], named[f"{side}_steps"], named[f"{side}_means"])
        for side in ("queries", "keys")
    ]
    weights, scores = exact(layer, *read)
    weight, ratio, score = BOUND_TABLE[named["errors"]][..., None]
    there = ~np.isneginf(true_scores)
    assert (np.isneginf(scores) == ~there).all()
    assert (np.abs(weights - true) <= weight).all()
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.abs(np.log(weights) - np.log(true))
        off = np.abs(scores - true_scores)
    assert (np.where(there & (true > 1e-300), logs, 0) <= ratio).all()
    assert (np.where(there, off, 0) <= score).all()
    assert stated([named["errors"]])["largest"] >= np.abs(weights - true).max()


@pytest.mark.parametrize("dtype", ["f2", "bfloat16"])
def test_half_precision_is_compared_as_it_was_stored(dtype: str) -> None:
    layer = layer_of(1, "causal", 30, 1.0, dtype)
    check(layer, rounded_arrays(layer, range(4), 0))


def test_some_heads_take_their_own_key_heads_along() -> None:
    layer = layer_of(2, "causal", 20, 1.0)
    some, all_heads = rounded_arrays(layer, [3], 0), rounded_arrays(layer, range(4), 0)
    assert some["keys"].shape == (1, 20, 8)
    assert (some["keys"][0] == all_heads["keys"][1]).all()
    assert (some["errors"][:, 0] == all_heads["errors"][:, 3]).all()


def test_codes_use_all_of_their_range_and_are_half_a_step_off_at_most() -> None:
    layer = layer_of(3, "plain", 50, 1.0)
    named = rounded_arrays(layer, range(4), 0)
    widest = np.abs(named["keys"].astype(int)).max(-1)
    assert ((widest == 127) | (widest == 126)).all()
    numbers = restored(named["keys"], named["keys_steps"], named["keys_means"])
    steps = widen(named["keys_steps"])[..., None]
    assert (np.abs(numbers - layer.keys) <= steps * 0.5001).all()


def test_bounds_are_rounded_up_and_by_a_tenth_at_most() -> None:
    errors = np.float32(10) ** -np.linspace(-1, 8, 1000, dtype=np.float32)
    bounds = BOUND_TABLE[bound_codes(errors)]
    assert (bounds >= errors).all()
    assert (bounds <= errors * 1.0906).all()
    assert BOUND_TABLE[bound_codes(np.float32([0, 17, np.inf]))].tolist()[1:] == [np.inf, np.inf]


def test_what_is_no_number_cannot_be_rounded() -> None:
    layer = layer_of(4, "plain", 5, 1.0)
    layer.keys[0, 2, 1] = np.nan
    with pytest.raises(InputError, match=r'layer 7 holds keys that are not finite.*"exact"'):
        rounded_arrays(layer, [0], 7)


def test_what_a_page_states_is_largest_and_median_over_rows() -> None:
    codes = bound_codes(np.float32([[[0.5, 0.02, 0.01]], [[9, 9, 9]], [[9, 9, 9]]]))
    said = stated([codes])
    assert 0.5 <= said["largest"] <= 0.55
    assert 0.02 <= said["typical"] <= 0.022
    assert stated([bound_codes(np.full((3, 1, 2), 40.0, np.float32))])["largest"] == 1


def undense(text: str, size: int) -> bytes:
    """The bytes of a dense text, written plainly."""
    symbols = []
    for letter in text:
        code = ord(letter)
        symbols += [code] if code < 128 else [(0x00, 0x0D, 0x3C)[(code >> 7) - 1], code & 127]
    bits = "".join(f"{symbol:07b}" for symbol in symbols)
    return bytes(int(bits[place * 8 : place * 8 + 8], 2) for place in range(size))


def packed(symbols: list[int]) -> bytes:
    """Bytes whose dense text is made of these symbols."""
    bits = "".join(f"{symbol:07b}" for symbol in symbols)
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


@given(st.binary(max_size=300) | st.lists(st.sampled_from([0, 0x0D, 0x3C, 5])).map(packed))
@settings(deadline=None)
def test_dense_text_holds_the_bytes_and_no_character_that_a_page_cannot_keep(data: bytes) -> None:
    text = dense_text(data)
    assert undense(text, len(data)) == data
    assert not set(text) & set("\x00\r<")
    assert max(map(ord, text), default=0) < 512
    assert len(text.encode()) <= math.ceil(len(data) * 8 / 7) + 1
