"""What a language model predicted at each token, for pages that show it beside the token."""

from __future__ import annotations

from attnscope.predicted import Predicted
from attnscope.trace import Trace
from attnscope.wire.spec import PredictedSpec, Spec


def add_predictions(spec: Spec, trace: Trace) -> None:
    """Give each stream of a spec what was predicted at its queries, where a capture kept it."""
    for shown in spec["streams"]:
        stream = trace.streams[shown["name"]]
        if stream.predicted is not None:
            shown["predicted"] = _predicted_spec(stream.predicted)


def _predicted_spec(predicted: Predicted) -> PredictedSpec:
    """Probabilities to four significant digits, as the page shows them."""
    return {
        "following": predicted.following,
        "tokens": [list(row) for row in predicted.tokens],
        "probabilities": [
            [float(f"{value:.4g}") for value in row] for row in predicted.probabilities.tolist()
        ],
    }
