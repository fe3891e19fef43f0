"""Make the reference pictures anew: `python tests/visual/make.py`. Look at them before a commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    (here / "references").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", str(here), "-k", "reference"]
    variables = {**os.environ, "ATTNSCOPE_MAKE_REFERENCES": "1"}
    sys.exit(subprocess.run(command, cwd=here.parents[1], env=variables, check=False).returncode)
