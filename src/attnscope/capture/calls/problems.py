"""What is said when a recorded call does not explain what the model computed."""

from __future__ import annotations

from typing import cast

import numpy as np

from attnscope.capture.calls.call import Call
from attnscope.capture.certify import tolerance
from attnscope.errors import AttnscopeError, CaptureError
from attnscope.scores import QKLayer, WeightsLayer, widen

ELSEWISE = (
    "Weights as the model itself gives them: load it with attn_implementation='eager', call it "
    "with output_attentions=True, and pass them on: "
    "attnscope.from_attention(outputs.attentions, tokens)."
)


def unexplained(call: Call, error: float) -> str:
    """What to say where weights times values are not the output."""
    what = "not a number" if np.isnan(error) else f"{error:.1e}"
    allowed = f"{tolerance(call.layer, call.precision):.0e}"
    kept = "weights" if isinstance(call.layer, WeightsLayer) else "queries, keys and mask"
    return (
        f"layer {call.number} ({call.name}): the recorded {kept} do not explain the attention "
        f"output of the model. The error is {what}, at most {allowed} is rounding "
        f"in {call.precision}. {_coarse(call)}No weights are shown rather than wrong ones. "
        f"{ELSEWISE}"
    )


def _coarse(call: Call) -> str:
    if call.stored != "float16":
        return ""
    return "With scores as large as these, float16 is too coarse: leave dtype= out. "


def not_finite(call: Call) -> str:
    """What to say where the model itself computed NaN or infinity; else nothing."""
    arrays = [widen(array) for array in _arrays(call)]
    if all(np.isfinite(array).all() for array in arrays):
        return ""
    what = "NaN (not a number)" if any(np.isnan(a).any() for a in arrays) else "infinite numbers"
    return (
        f"the model computes {what} in layer {call.number} ({call.name}), in "
        f"{call.dtype}: there are no weights to show. In half precision, large numbers "
        "overflow: try model.float(). Otherwise look into the inputs, and into the weights: "
        "[name for name, weight in model.named_parameters() if not weight.isfinite().all()]."
    )


def _arrays(call: Call) -> list[np.ndarray]:
    kept: list[np.ndarray] = []
    if isinstance(call.layer, QKLayer):
        kept = [call.layer.queries, call.layer.keys]
    else:
        kept = [cast(WeightsLayer, call.layer).weights]
    if call.witness is not None:
        kept += [call.witness.values, call.witness.output]
    return kept


def named(problem: Exception, name: str) -> AttnscopeError:
    """The problem itself where it is one of ours, else one that says which module it came from."""
    if isinstance(problem, AttnscopeError):
        return problem
    error = CaptureError(f"the attention call in {name} could not be recorded: {problem!r}.")
    error.__cause__ = problem
    return error
