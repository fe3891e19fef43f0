"""What a capture costs, beside the plain forward pass and beside eager `output_attentions`.

    python benchmarks/capture.py [--tokens 512] [--rounds 3] [--json FILE]

Each way runs in child processes of its own, in turn, on one thread. CPU time is the least over all
runs; memory is the peak during a first run over what the process had before it, with the result
(trace, attentions) still held.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WAYS = ("plain", "capture", "eager")
RUNS = 3
MIB = 2**20


def run_once(way: str, model: Any, inputs: dict[str, Any]) -> Any:
    """One forward pass; the result is what a user would keep."""
    import torch

    if way == "capture":
        import attnscope.capture

        return attnscope.capture(model, inputs=inputs, progress=False)
    with torch.no_grad():
        return model(**inputs, output_attentions=True) if way == "eager" else model(**inputs)


def measure(way: str, n_tokens: int) -> dict[str, float]:
    """CPU seconds and peak MiB of one way, in this process."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    import attnscope.capture.forward  # noqa: F401  (its import is not what is measured)

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = GPT2Config(n_positions=max(1024, n_tokens))
    config._attn_implementation = "eager" if way == "eager" else "sdpa"
    model = GPT2LMHeadModel(config).eval()
    ids = torch.randint(0, config.vocab_size, (1, n_tokens))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    run_once("plain", model, {name: value[:, :8] for name, value in inputs.items()})
    gc.collect()
    before = memory("VmRSS", forget_peak=True)
    kept = run_once(way, model, inputs)
    peak = memory("VmHWM") - before
    del kept
    seconds = []
    for _ in range(RUNS):
        start = time.process_time()
        run_once(way, model, inputs)
        seconds.append(time.process_time() - start)
    return {"cpu_s": min(seconds), "peak_mib": peak / MIB}


def memory(field: str, *, forget_peak: bool = False) -> int:
    """Bytes of a field of /proc/self/status."""
    if forget_peak:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def compare(n_tokens: int, rounds: int) -> dict[str, Any]:
    """All ways, interleaved; the least of each figure over the rounds."""
    results: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            command = [sys.executable, __file__, "--tokens", str(n_tokens), "--child", way]
            alone = os.environ | {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=alone)
            results[way].append(json.loads(done.stdout.splitlines()[-1]))
    least = {
        way: {name: min(run[name] for run in runs) for name in runs[0]}
        for way, runs in results.items()
    }
    return {
        "model": "GPT-2 small shape, float32, one thread",
        "tokens": n_tokens,
        **least,
        "capture_cpu_over_plain": least["capture"]["cpu_s"] / least["plain"]["cpu_s"],
        "capture_peak_over_eager": least["capture"]["peak_mib"] / least["eager"]["peak_mib"],
    }


def report(result: dict[str, Any]) -> str:
    rows = [f"{result['model']}, {result['tokens']} tokens", f"{'':10}{'CPU s':>8}{'peak MiB':>10}"]
    rows += [f"{w:10}{result[w]['cpu_s']:8.2f}{result[w]['peak_mib']:10.0f}" for w in WAYS]
    rows.append(
        f"capture: {result['capture_cpu_over_plain']:.2f} x plain CPU time (bar: 1.3), "
        f"{result['capture_peak_over_eager']:.2f} x eager's peak memory (bar: below 1)"
    )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, options.tokens)))
        return
    result = compare(options.tokens, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(report(result))


if __name__ == "__main__":
    main()
