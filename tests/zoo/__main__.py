"""Compare every model type, and write tests/zoo/results.json and docs/models.md.

python -m tests.zoo            all types (a minute or two)
python -m tests.zoo bert gpt2  some, to look at
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.zoo.odd import NOTES, REASONS

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
PAGE = HERE.parents[1] / "docs" / "models.md"
PATHS = {"sdpa": "SDPA", "eager": "eager", "softmax": "own softmax"}
INTRO = """# Which models are captured, and how exactly

Every model type that Transformers {version} has a base model for, built tiny from its shrunk
configuration and run on a batch of two. Captured weights are compared with what Transformers' own
eager code returns (`attn_implementation="eager"`, `output_attentions=True`), both items, padding
included; outputs are compared bit for bit with those without capture. `python -m tests.zoo` makes
this page; the tests run all of it.

| | model types |
|---|---|
| exact: every layer returned is found, to {exact:.0e}, and outputs are unchanged | **{n_exact}** |
| recorded and certified; Transformers returns nothing to compare with | {n_alone} |
| recorded in part, or nothing right to compare with (the note says which) | {n_odd} |
| no softmax attention | {n_none} |
| not built here: other packages, own inputs, configurations that do not shrink | {n_unbuilt} |

Outputs changed: {n_changed}. Wrong weights without an error: none known.

**Quantised and offloaded models** are captured as they are, and held to eager code of the same
model, to 1e-6 (tests/parity/test_quantised.py): PyTorch's dynamic int8; torchao 0.18 with int8
weights, and with int8 activations too; where they are installed optimum-quanto 0.2.7 (int8),
bitsandbytes 0.50 (NF4, on the CPU) and HQQ 0.2.8 (4 bits); and what accelerate 1.15 places by a
`device_map` or offloads to the disk (no second device was at hand). Where activations are rounded,
SDPA and eager code of one model may differ by some percent in a weight: a capture shows what ran.
GPTQ and AWQ were not tried.

**Older Transformers**: under 4.48.3, the oldest that attnscope takes, `python -m tests.zoo.older`
gives BART, BERT, BLOOM, CANINE, CodeGen, DeBERTa (v1, v2), Falcon, GPT-2, GPT-J, GPT-Neo, Llama,
Mistral, MPT, OPT, Perceiver, Phi, Swin, T5, ViT, XLM and XLNet exactly, and Gemma 2 in eager code;
its SDPA leaves the softcap out in that version, and a capture records what the model computes. Of
all its model types 195 are built by the rules made for {version}: 180 of them are exact, and no
certificate of the others is above 1e-6.

**Computed by**: the attention function of Transformers that the model is loaded with (SDPA or
eager; `F.scaled_dot_product_attention` called in the model's own code counts as SDPA), or a softmax
in the model's own code. **Q, K**: layers of one item whose queries and keys are kept, of all; the
others keep their weights. **Error**: the largest difference of a weight. **Certificate**: the
largest error of weights × values against what the model computed.

| model type | computed by | Q, K | layers by stream | error | certificate | note |
|---|---|---|---|---|---|---|
"""


def results(kinds: list[str]) -> dict[str, Any]:
    """What comes of each model type; what cannot be built or run has only a `failure`."""
    from tests.zoo.compare import compared

    found: dict[str, Any] = {}
    for kind in kinds:
        try:
            result = compared(kind)
            found[kind] = _rounded(asdict(result)) | {"exact": result.exact}
        except Exception as error:
            found[kind] = {"kind": kind, "failure": _short(error)}
        print(f"{len(found)}/{len(kinds)} {kind}", file=sys.stderr)
    return found


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    return {n: float(f"{v:.1e}") if isinstance(v, float) else v for n, v in fields.items()}


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    for missing in ("timm", "natten", "detectron2", "torchaudio"):
        if f"{missing} library" in text:
            return f"needs {missing}"
    return f"{type(error).__name__}: {text[:90]}"


def group(result: dict[str, Any]) -> str:
    """Which row of the page's summary a model type belongs to."""
    if "failure" in result:
        return "unbuilt"
    if result["exact"]:
        return "exact"
    if not result["calls"]:
        return "none"
    return "odd" if result["references"] or result["said"] else "alone"


def page(found: dict[str, Any], version: str) -> str:
    """docs/models.md."""
    counts = Counter(map(group, found.values()))
    changed = sum(not result.get("same", True) for result in found.values())
    numbers = {f"n_{name}": counts[name] for name in ("exact", "alone", "odd", "none", "unbuilt")}
    intro = INTRO.format(version=version, exact=1e-5, n_changed=changed, **numbers)
    return intro + "".join(map(_row, found.values()))


def _row(result: dict[str, Any]) -> str:
    kind = result["kind"]
    if "failure" in result:
        return f"| {kind} | | | | | | not built: {result['failure'].replace('|', ' ')} |\n"
    note = REASONS.get(kind) or NOTES.get(kind) or ("" if result["calls"] else "no attention")
    streams = ", ".join(f"{name} {n}" for name, n in result["streams"].items())
    error = f"{result['worst']:.0e}" if result["matched"] else "–"
    certificate = "–" if result["certificate"] is None else f"{result['certificate']:.0e}"
    cells = [
        kind,
        ", ".join(PATHS.get(path, path) for path in result["paths"]),
        f"{result['with_qk']}/{result['calls']}" if result["calls"] else "",
        streams,
        error,
        certificate,
        note,
    ]
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    from importlib.metadata import version

    from tests.zoo.tiny import types

    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    chosen = sys.argv[1:]
    found = results(chosen or types())
    if chosen:
        print(json.dumps(found, indent=1))
        return
    lines = ",\n".join(map(json.dumps, found.values()))
    RESULTS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    PAGE.write_text(page(found, version("transformers")), encoding="utf-8")


if __name__ == "__main__":
    main()
