"""Run a script written for BertViz: python -m attnscope.bertviz [--save FOLDER] script.py ..."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path
from types import TracebackType

from attnscope.bertviz import _deliver
from attnscope.bertviz.install import install_as_bertviz


def main() -> None:
    """Install attnscope as bertviz and run the script as `python script.py` would."""
    options = _options()
    script = Path(options.script)
    if options.save is not None:
        options.save.mkdir(parents=True, exist_ok=True)
        _deliver.save_folder = options.save
    install_as_bertviz(replace=True)
    sys.argv = [options.script, *options.args]
    sys.path[0] = str(script.resolve().parent)
    try:
        runpy.run_path(options.script, run_name="__main__")
    except Exception as error:
        # As usual: the traceback begins in the script, and a debugger's hook is called.
        own = _within(error.__traceback__, options.script)
        sys.excepthook(type(error), error.with_traceback(own), own)
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m attnscope.bertviz",
        description="Run a script written for BertViz; its views are drawn by attnscope.",
    )
    parser.add_argument(
        "--save", type=Path, metavar="FOLDER", help="write each view shown as a page to FOLDER"
    )
    parser.add_argument("script", help="the script to run")
    parser.add_argument("args", nargs=argparse.REMAINDER, help="its own arguments")
    options = parser.parse_args()
    if options.script.endswith(".ipynb"):
        parser.error(
            "a notebook runs in Jupyter; put this into its first cell: "
            "import attnscope; attnscope.install_as_bertviz()"
        )
    if not Path(options.script).is_file():
        parser.error(f"there is no file {options.script}")
    return options


def _within(traceback: TracebackType | None, script: str) -> TracebackType | None:
    """The traceback from the script's own first line on; None for one that did not even start."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename != script:
        traceback = traceback.tb_next
    return traceback


if __name__ == "__main__":
    main()
