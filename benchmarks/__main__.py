"""`make bench`: every benchmark in turn, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

SCRIPTS: tuple[tuple[str, list[str]], ...] = (
    ("capture.py", []),
    ("length.py", []),
    ("what_if.py", []),
    ("measures.py", []),
    ("pages.py", ["--bertviz"]),
)

for script, options in SCRIPTS:
    print(f"\n== {script}", flush=True)
    subprocess.run([sys.executable, HERE / script, *options, *sys.argv[1:]], check=True)
