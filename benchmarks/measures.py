"""What measures cost, beside the softmax that every user of weights pays for.

    python benchmarks/measures.py [--tokens 512] [--rounds 9] [--json FILE]

Twelve layers of twelve heads, on one thread, CPU time, medians over the rounds; each round runs
every way once, and ratios are those of a round. `softmax` is SciPy's over scores that are there
already; `weights` computes all weights from queries and keys.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LAYERS, HEADS, DIM = 12, 12, 64


def a_trace(n_tokens: int, causal: bool) -> Any:
    """Random queries and keys, a natural text's repetitions, a few special tokens."""
    import numpy as np

    from attnscope.scores import QKLayer, ScoreSpec
    from attnscope.stream import Stream
    from attnscope.tokens import Tokens
    from attnscope.trace import Trace

    rng = np.random.default_rng(0)
    names = [f"w{number}" for number in rng.zipf(1.3, n_tokens) % 300]
    names[0], names[-1], names[n_tokens // 2] = "[CLS]", "[SEP]", ","
    tokens = Tokens.plain(names)

    def vectors() -> Any:
        return 1.5 * rng.standard_normal((HEADS, n_tokens, DIM), dtype=np.float32)

    heads = tuple(range(HEADS))
    layers = tuple(
        QKLayer(vectors(), vectors(), ScoreSpec(DIM**-0.5, causal=causal), heads, np.array(heads))
        for _ in range(LAYERS)
    )
    return Trace([Stream("self", heads, layers, tokens, tokens)])


def seconds(run: Callable[[], Any]) -> float:
    """CPU seconds of one run."""
    start = time.process_time()
    run()
    return time.process_time() - start


def compare(n_tokens: int, rounds: int, causal: bool) -> dict[str, float]:
    """Seconds of each way, and ratios of those that ran in the same round: medians."""
    import numpy as np
    import scipy.special

    from attnscope import measures

    trace = a_trace(n_tokens, causal)
    layers = trace.stream().layers
    scores = [layer.scores() for layer in layers]
    ways: dict[str, Callable[[], Any]] = {
        "softmax": lambda: [scipy.special.softmax(s, axis=-1) for s in scores],
        "weights": lambda: [layer.rows() for layer in layers],
        "heads": trace.heads,
        "rollout": lambda: measures.rollout(trace),
    }
    for run in ways.values():
        run()
    found = {name: np.array([0.0] * rounds) for name in ways}
    for place in range(rounds):
        for name, run in ways.items():
            found[name][place] = seconds(run)
    found["heads_over_softmax"] = found["heads"] / found["softmax"]
    found["heads_over_weights"] = found["heads"] / found["weights"]
    return {name: float(np.median(times)) for name, times in found.items()}


def main() -> None:
    """Print and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    results = {}
    for causal in (False, True):
        name = "causal" if causal else "bidirectional"
        results[name] = compare(given.tokens, given.rounds, causal)
        print(f"{name}, 12 × 12 heads, {given.tokens} tokens")
        for what, number in results[name].items():
            print(f"  {what:<20} {number:.3f}{'' if 'over' in what else ' s'}")
    if given.json:
        given.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
