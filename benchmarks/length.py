"""Long inputs: what capture, overviews, files, tiles and rows cost, beside what else there is.

    python benchmarks/length.py [--tokens 8192] [--long 32768] [--rounds 3] [--json FILE]

Each way runs in child processes of its own, in turn, on one thread unless OMP_NUM_THREADS says
more. Seconds are CPU time, the least over all rounds; memory is the peak over what the process had
before, with the result still held. BertViz is not in the table: from eager attention of 2,048
tokens its head view would be a page of 46 bytes a weight (research: blank from about 400 tokens).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MIB = 2**20
LAYERS, HEADS, KV_HEADS, DIM = 4, 8, 8, 64
LONG_HEADS, LONG_KV, LONG_DIM = 32, 8, 128
SHAPES = tuple((kv, dtype) for kv in (8, 2) for dtype in ("float32", "bfloat16"))
"""Key heads and precision of the models whose files are measured. Llama 3 has four heads a key head
and comes in bfloat16: the last one."""


def model_of(
    n_tokens: int, attention: str, kv_heads: int = KV_HEADS, dtype: str = "float32"
) -> tuple[Any, dict[str, Any]]:
    """A Llama-like model of 4 layers × 8 heads with random weights, and its inputs."""
    import torch
    from transformers import LlamaConfig, LlamaModel

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=1000,
        hidden_size=HEADS * DIM,
        intermediate_size=4 * HEADS * DIM,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=kv_heads,
        max_position_embeddings=n_tokens,
        attn_implementation=attention,
    )
    ids = torch.randint(0, 1000, (1, n_tokens))
    model = LlamaModel(config).eval().to(getattr(torch, dtype))
    return model, {"input_ids": ids, "use_cache": False}


def run_once(way: str, model: Any, inputs: dict[str, Any]) -> Any:
    """One forward pass; the result is what a user would keep."""
    import torch

    if way in ("capture", "overview"):
        import attnscope.capture
        from attnscope.overview import overviews_of

        tokens = [f"t{place}" for place in range(inputs["input_ids"].shape[1])]
        trace = attnscope.capture(model, inputs=inputs, tokens=tokens, progress=False)
        overviews_of(trace.stream().layers, way == "overview")
        return trace
    with torch.no_grad():
        return model(**inputs, output_attentions=way == "eager")


def measure_capture(way: str, n_tokens: int) -> dict[str, float]:
    """CPU seconds, peak MiB and sizes of one way, in this process."""
    import attnscope.capture.forward  # noqa: F401  (its import is not what is measured)

    model, inputs = model_of(n_tokens, "eager" if way == "eager" else "sdpa")
    run_once("plain", model, inputs | {"input_ids": inputs["input_ids"][:, :8]})
    gc.collect()
    before = memory("VmRSS", forget_peak=True)
    start = time.process_time()
    kept = run_once(way, model, inputs)
    result = {"cpu_s": time.process_time() - start, "peak_mib": (memory("VmHWM") - before) / MIB}
    if way == "overview":
        result["qk_mib"] = sum(layer.nbytes for layer in kept.stream().layers) / MIB
    return result


def measure_size(n_tokens: int, kv_heads: int, dtype: str) -> dict[str, float]:
    """MiB of a capture's file with overviews, also as float16, and of its weights in float16."""
    trace = run_once("capture", *model_of(n_tokens, "sdpa", kv_heads, dtype))
    weights = sum(np.prod(layer.shape, dtype=float) for layer in trace.stream().layers) * 2
    sizes = {"weights": weights / MIB}
    with tempfile.TemporaryDirectory() as folder:
        for name, kept in (("file", None), ("half_file", "float16")):
            path = trace.save(Path(folder) / "x.safetensors", dtype=kept, overviews=True)
            sizes[name] = path.stat().st_size / MIB
    return sizes


def memory(field: str, *, forget_peak: bool = False) -> int:
    """Bytes of a field of /proc/self/status."""
    if forget_peak:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def measure_file(n_tokens: int) -> dict[str, float]:
    """Milliseconds (CPU) of tiles and rows of one layer from a file that knows its row sums."""
    import attnscope
    from attnscope.overview import overview, row_sums
    from attnscope.strongest import strongest
    from attnscope.tiles import tile

    trace, every, whole = long_trace(n_tokens), range(LONG_HEADS), range(n_tokens)
    part = range(n_tokens // 2, n_tokens // 2 + 512)
    made = trace.stream().layers[0]
    sums = [milliseconds(lambda place=place: row_sums(made, place, part), 1) for place in every]
    first = {
        "row sums of 512 rows, once a head": min(sums),
        "overview, once a head": milliseconds(lambda: overview(made, 0), 1),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = trace.save(Path(folder) / "x.safetensors", overviews=False)
        layer = attnscope.load(path).stream().layers[0]
        asked: dict[str, Callable[[], Any]] = {
            "tile 512 × 512, one head": lambda: tile(layer, [0], part, range(512)),
            "the same, mean of 32 heads": lambda: tile(layer, every, part, range(512), over="mean"),
            "one query row, 32 heads": lambda: layer.rows(
                queries=slice(part.start, part.start + 1)
            ),
            "512 × 512 pixels at step 16": lambda: tile(layer, [0], whole[:8192], whole[:8192], 16),
            "the whole head, 256 × 256": lambda: tile(layer, [0], whole, whole, n_tokens // 256),
            "20 strongest cells of a head": lambda: strongest(layer, [0], 20),
        }
        return first | {name: milliseconds(ask, 5) for name, ask in asked.items()}


def long_trace(n_tokens: int) -> Any:
    """One causal layer as of a Llama in half precision: 32 heads, 8 key heads, dim 128."""
    from attnscope import Stream, Tokens, Trace
    from attnscope.scores import QKLayer, ScoreSpec

    rng = np.random.default_rng(0)
    queries, keys = (
        rng.standard_normal((heads, n_tokens, LONG_DIM), dtype=np.float32).astype(np.float16)
        for heads in (LONG_HEADS, LONG_KV)
    )
    kv_head = np.arange(LONG_HEADS) // (LONG_HEADS // LONG_KV)
    spec = ScoreSpec(LONG_DIM**-0.5, causal=True)
    layer = QKLayer(queries, keys, spec, tuple(range(LONG_HEADS)), kv_head, dtype="float16")
    side = Tokens.plain([f"t{place}" for place in range(n_tokens)])
    return Trace([Stream("self", (0,), (layer,), side, side)])


def milliseconds(ask: Callable[[], Any], times: int) -> float:
    """The least CPU time of some calls."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        ask()
        spent.append(time.process_time() - start)
    return min(spent) * 1e3


def measured(what: str, n_tokens: int, shape: int | None) -> dict[str, float]:
    """The figures of one child process."""
    if what == "size":
        return measure_size(n_tokens, *SHAPES[shape or 0])
    return measure_file(n_tokens) if what == "file" else measure_capture(what, n_tokens)


def children(rounds: int, *options: str) -> dict[str, float]:
    """The least of each figure over some child processes."""
    runs = []
    for _ in range(rounds):
        command = [sys.executable, __file__, *options]
        alone = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | alone
        )
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {name: min(run[name] for run in runs) for name in runs[0]}


def report(result: dict[str, Any]) -> str:
    """The table of figures, each beside its bar."""
    long, short, file = result["long"], result["short"], result["file"]
    plain, whole = long["plain"], long["overview"]
    extra = whole["peak_mib"] - plain["peak_mib"]
    eager, capture, base = short["eager"], short["capture"], short["plain"]
    share = max(0, capture["peak_mib"] - base["peak_mib"]) / (eager["peak_mib"] - base["peak_mib"])
    rows = [
        f"Llama-like, {LAYERS} layers × {HEADS} heads, dim {DIM}, float32, "
        f"{result['threads']} thread(s)",
        f"n = {result['tokens']}: SDPA forward {plain['cpu_s']:.2f} CPU s; with capture "
        f"{long['capture']['cpu_s']:.2f}; with capture and overviews {whole['cpu_s']:.2f} "
        f"= {whole['cpu_s'] / plain['cpu_s']:.2f} × (bar: 2)",
        f"  peak memory over the forward's: {extra:.0f} MiB = {extra / whole['qk_mib']:.2f} × "
        f"the queries and keys (bar: 1.5)",
        "  file with overviews, beside weights in float16 (bar: 50 × smaller):",
        *(size_line(*shape, sizes) for shape, sizes in zip(SHAPES, result["sizes"], strict=True)),
        f"n = 2048: capture {capture['cpu_s']:.2f} CPU s, eager output_attentions "
        f"{eager['cpu_s']:.2f} (bar: less); extra memory {share:.2f} × eager's (bar: 0.2)",
        f"n = {result['file_tokens']}, {LONG_HEADS} heads, {LONG_KV} key heads, dim {LONG_DIM}, "
        "float16, from a file:",
        *(f"  {name:34}{value:9.1f} ms" for name, value in file.items()),
        "  (bars: 10 ms, 100 ms and 100 ms for the tile, the mean of 32 heads, the row)",
    ]
    return "\n".join(rows)


def size_line(kv_heads: int, dtype: str, sizes: dict[str, float]) -> str:
    """How large the file of one model is, and how many times smaller than its weights."""
    times = {name: sizes["weights"] / sizes[name] for name in ("file", "half_file")}
    line = f"    {kv_heads} key heads, {dtype:9}{sizes['file']:5.0f} MiB, {times['file']:4.1f} ×"
    if dtype != "float32":
        return line
    return f"{line}; saved as float16 {sizes['half_file']:.0f} MiB, {times['half_file']:.1f} ×"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--long", type=int, default=32768)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--shape", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measured(options.child, options.tokens, options.shape)))
        return
    ways = {
        ("long", options.tokens): ("plain", "capture", "overview"),
        ("short", 2048): ("plain", "capture", "eager"),
    }
    result: dict[str, Any] = {
        "threads": os.environ.get("OMP_NUM_THREADS", "1"),
        "tokens": options.tokens,
        "file_tokens": options.long,
    }
    for (name, n), each in ways.items():
        result[name] = {
            way: children(options.rounds, "--child", way, "--tokens", str(n)) for way in each
        }
    result["sizes"] = [
        children(1, "--child", "size", "--tokens", str(options.tokens), "--shape", str(place))
        for place in range(len(SHAPES))
    ]
    result["file"] = children(1, "--child", "file", "--tokens", str(options.long))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(report(result))


if __name__ == "__main__":
    main()
