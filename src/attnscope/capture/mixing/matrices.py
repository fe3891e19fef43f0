"""From what was seen to follow an attention call to its `Mixing`: matrices, norms, and a check.

Modules are asked, not read (see `asking`). Whether Σ w f + b is what the projection gave is held on
a few rows, as `certify` does for the weights. What is not found is said in `Mixing.lacking`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from attnscope.capture.certify import ROWS, probes, tolerance
from attnscope.capture.mixing.asking import asked_matrix, asked_norm
from attnscope.capture.mixing.passing import Followed, Joined, Passed
from attnscope.capture.tensors import Item, probed, stored
from attnscope.mixing import Mixing
from attnscope.scores import ALL, Layer


class _Unknown(Exception):
    """Something was not found; the text is a sentence for people."""


def settle(found: Followed) -> None:
    """Ask the modules that were found, and let tensors go: nothing more will be found."""
    if found.joined is not None:
        found.kinds.add(found.joined.is_post)
    if found.mixing is not None:
        try:
            with torch.no_grad():
                found.mixing, found.witness = _settled(found, found.mixing)
        except _Unknown as unknown:
            found.mixing = replace(found.mixing, lacking=str(unknown))
        except Exception as error:  # a module that does not answer; never stop the user's model
            lacking = f"the modules after {found.name} could not be asked: {error!r}"
            found.mixing = replace(found.mixing, lacking=lacking)
    found.linear = None if found.projection is None else found.projection.module
    found.output = found.given = found.before = None
    found.projection = found.branch = found.joined = None


def _settled(found: Followed, mixing: Mixing) -> tuple[Mixing, np.ndarray]:
    """The mixing as far as it was found, and the witness of the projected output."""
    projection, joined = found.projection, found.joined
    if projection is None:
        raise _Unknown(
            f"no linear module took the attention output of {found.name} as it was, so its output "
            "projection is not known"
        )
    added, branch, share = projection.result.float(), None, torch.ones(())
    if found.branch is not None:
        branch = asked_norm(found.branch.module, found.branch.source, found.branch.result)
    if joined is not None and branch is not None:
        factor = joined.share.cpu().numpy()
        branch = replace(branch, weight=branch.weight * factor, bias=branch.bias * factor)
    elif joined is not None and (joined.share != 1).any():
        share = joined.share
        added = added * share.to(added.device)
    matrix, bias = _matrix(found, projection, share, mixing)
    lacking = _lacking(found, branch)
    mixing = replace(mixing, projection=matrix, bias=bias, branch=branch, lacking=lacking)
    if joined is not None and not mixing.lacking:
        mixing = _with_residual(mixing, joined, found.name)
    return mixing, probed(added[None], [0], ALL)[0]


def _matrix(
    found: Followed, projection: Passed, share: torch.Tensor, mixing: Mixing
) -> tuple[np.ndarray, np.ndarray]:
    """[head, dim, model] of the projection and [model] of its bias, as they reach the residual."""
    earlier = None if found.earlier is None else found.earlier.mixing
    if earlier is not None and earlier.projection is not None and earlier.bias is not None:
        return earlier.projection, earlier.bias
    matrix, bias = asked_matrix(projection.module, projection.source)
    if (share != 1).any():
        matrix, bias = matrix * share.to(matrix.device), bias * share.to(matrix.device)
    shaped = matrix.reshape(len(mixing.kv_head), mixing.values.shape[2], -1)
    if found.gain is not None:
        shaped = shaped * found.gain[:, None, None].to(shaped)
    return stored(shaped[None], Item(0), range(len(shaped))), bias.float().cpu().numpy()


def _lacking(found: Followed, branch: Any) -> str:
    if found.branch is not None and branch is None:
        return f"the normalisation of the output of {found.name} is of an unknown kind"
    if found.joined is None:
        return (
            f"what the output of {found.name} is added to was not found: attention and MLP run "
            "side by side, or the residual connection is of an unknown kind"
        )
    return ""


def _with_residual(mixing: Mixing, joined: Joined, name: str) -> Mixing:
    norm = joined.norm
    asked = asked_norm(norm.module, norm.source, norm.result) if joined.is_post else None
    if joined.is_post and asked is None:
        return replace(mixing, lacking=f"the normalisation after {name} is of an unknown kind")
    return replace(mixing, residual=stored(joined.known[None, None], Item(0), [0])[0], norm=asked)


def mixing_of(layer: Layer, followed: Followed, dtype: str) -> Mixing:
    """What was found after a call, if it explains what the projection gave; not during the pass.

    `dtype` is the precision that the model computed in.
    A first layer that gets the residual stream as it is (ModernBERT) looks like post-norm; the
    other layers tell.
    """
    mixing = followed.mixing
    assert mixing is not None
    if mixing.norm is not None and False in followed.kinds:
        mixing = replace(mixing, norm=None)
    if mixing.projection is None or followed.witness is None:
        return mixing
    error = identity_error(layer, mixing, followed.witness)
    allowed = tolerance(layer, dtype)
    if error <= allowed:
        return mixing
    return replace(
        mixing,
        projection=None,
        residual=None,
        norm=None,
        lacking=f"the values and the output projection of {followed.name} do not explain its "
        f"output (error {error:.1e}, at most {allowed:.0e} is rounding in {dtype})",
    )


def identity_error(layer: Layer, mixing: Mixing, witness: np.ndarray) -> float:
    """|Σ w f + b - output| on a few rows, relative to the most that all heads could add up to."""
    assert mixing.bias is not None
    step = -(-layer.shape[1] // ROWS)
    rows = slice((layer.shape[1] - 1) % step, None, step)
    signs = probes(len(mixing.bias))
    weights = layer.rows(queries=rows)
    gap = np.abs(mixing.projected(weights) @ signs - witness[rows])[weights.any((0, 2))]
    size = np.abs(mixing.moved() @ signs).max((1, 2)).sum()
    return float(gap.max(initial=0) / (size or 1))
