"""The command line, run in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from click.testing import CliRunner, Result

from attnscope import cli


def invoke(*args: str | Path | int) -> Result:
    """Run `attnscope` with these arguments."""
    return CliRunner().invoke(cli.main, [str(arg) for arg in args])


class FakeTrace:
    """Stands in for a trace; saves what its views were asked for."""

    generation = None

    streams: ClassVar[dict] = {}

    def head_view(self, **options):
        return FakeView({"view": "head", **options})

    def model_view(self, **options):
        return FakeView({"view": "model", **options})


class FakeView:
    def __init__(self, options):
        self.options = options

    def save(self, path):
        Path(path).write_text(json.dumps(self.options))
        return Path(path)
