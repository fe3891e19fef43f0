"""Architectures in wide use under another Transformers than the one the tests have.

python -m tests.zoo.older    in an environment with transformers 4.48.3, say

Prints a row a type, as docs/models.md has them, and ends with an error where one is neither exact
nor has a reason here. Nothing but torch, transformers, attnscope and what it needs is imported.
"""

from __future__ import annotations

import logging
import sys
import warnings
from importlib.metadata import version

from tests.zoo.compare import EXACT, Result, compared

TYPES = (
    "bart", "bert", "bloom", "canine", "codegen", "deberta", "deberta-v2", "falcon", "gemma2",
    "gpt2", "gpt_neo", "gptj", "llama", "mistral", "mpt", "opt", "perceiver", "phi", "swin", "t5",
    "vit", "xlm", "xlnet",
)  # fmt: skip
REASONS = {
    "gemma2": "its SDPA leaves the softcap out, as the model then does; eager code is exact",
}
"""Types whose SDPA computes something else than their eager code, up to Transformers 4.48."""

CERTAIN = 1e-5
"""What such a type's certificate may be: it is held to the code that ran."""


def main() -> int:
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    print(f"transformers {version('transformers')}, torch {version('torch')}")
    failed = 0
    for kind in TYPES:
        said, good = told(kind)
        failed += not good
        print(f"{'   ' if good else '!! '}{kind:12} {said}")
    print(f"{len(TYPES) - failed} of {len(TYPES)} as expected")
    return failed > 0


def told(kind: str) -> tuple[str, bool]:
    """What came of a type, and whether that is as it should be."""
    try:
        found = compared(kind)
    except Exception as error:  # of any kind: it is what is to be shown
        return f"{type(error).__name__}: {str(error)[:120]}", False
    if found.exact and found.worst <= EXACT:
        return f"exact: {found.matched} layers, error {found.worst:.0e}", True
    known = kind in REASONS and found.same and (found.certificate or 1) < CERTAIN
    return f"{REASONS.get(kind, what(found))} (certificate {found.certificate})", known


def what(found: Result) -> str:
    """What is not exact in a result."""
    if not found.same:
        return "its output is not that without capture"
    return found.said or f"{found.matched} of {found.references} layers, error {found.worst:.0e}"


if __name__ == "__main__":
    sys.exit(main())
