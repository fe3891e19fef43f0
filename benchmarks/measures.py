"""What measures cost, beside the softmax that every user of weights pays for.

    python benchmarks/measures.py [--tokens 512] [--rounds 3] [--json FILE]

Twelve layers of twelve heads, on one thread, CPU time, the least over the rounds. `softmax` is
SciPy's over scores that are there already; `weights` computes all weights from queries and keys.
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


def least(run: Callable[[], Any], rounds: int) -> float:
    """CPU seconds of the quickest of some runs."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def compare(n_tokens: int, rounds: int, causal: bool) -> dict[str, float]:
    """Seconds of each way."""
    import scipy.special

    from attnscope import measures

    trace = a_trace(n_tokens, causal)
    layers = trace.stream().layers
    scores = [layer.scores() for layer in layers]
    found = {"softmax": least(lambda: [scipy.special.softmax(s, axis=-1) for s in scores], rounds)}
    del scores
    found["weights"] = least(lambda: [layer.rows() for layer in layers], rounds)
    found["heads"] = least(trace.heads, rounds)
    found["rollout"] = least(lambda: measures.rollout(trace), rounds)
    return found


def main() -> None:
    """Print and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    results = {}
    for causal in (False, True):
        found = compare(given.tokens, given.rounds, causal)
        name = "causal" if causal else "bidirectional"
        results[name] = found | {
            "heads_over_softmax": found["heads"] / found["softmax"],
            "heads_over_weights": found["heads"] / found["weights"],
        }
        print(f"{name}, 12 × 12 heads, {given.tokens} tokens")
        for what, number in results[name].items():
            print(f"  {what:<20} {number:.3f}{'' if 'over' in what else ' s'}")
    if given.json:
        given.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
