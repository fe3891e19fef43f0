"""The benchmarks, each in a process of its own.

python -m benchmarks                        what there is
python -m benchmarks all                    all of them in turn (`make bench`)
python -m benchmarks capture --tokens 256   one of them, with its options (--help tells them)
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = {
    "capture": [],
    "length": [],
    "what_if": [],
    "measures": [],
    "pages": ["--bertviz"],
    "maps": [],
}
"""In the order of `all`, with the options that they have there."""


def goal(name: str) -> str:
    """What a benchmark measures, against what: the first sentence of its docstring."""
    text = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text())) or ""
    return text.splitlines()[0]


def run(name: str, options: list[str]) -> None:
    """Run one; ends this process where it fails."""
    print(f"\n== {name}: {goal(name)}", flush=True)
    code = subprocess.run([sys.executable, HERE / f"{name}.py", *options], check=False).returncode
    if code:
        sys.exit(code)


def main(asked: list[str]) -> None:
    """List, or run."""
    if not asked:
        for name in BENCHMARKS:
            print(f"{name:<9} {goal(name)}")
    elif asked == ["all"]:
        for name, options in BENCHMARKS.items():
            run(name, options)
    elif asked[0] in BENCHMARKS:
        run(asked[0], asked[1:])
    else:
        sys.exit(f"error: no benchmark {asked[0]!r}; there are {', '.join(BENCHMARKS)}, all")


if __name__ == "__main__":
    main(sys.argv[1:])
