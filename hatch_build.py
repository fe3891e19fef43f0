"""Hatchling hook: bundles web/ into the package, unless fresh bundles are there.

ATTNSCOPE_SKIP_WEB=1 switches it off. How they are built is told in scripts/front_end.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "scripts"))
import front_end

sys.path.pop(0)


class FrontEndHook(BuildHookInterface[Any]):
    """Builds the front end before hatchling collects the package's files."""

    def _is_needed(self) -> bool:
        skipped = os.environ.get("ATTNSCOPE_SKIP_WEB", "") not in ("", "0")
        return not skipped and front_end.is_stale(Path(self.root))

    def dependencies(self) -> list[str]:
        """Ask the build environment for node only when it must be built without one on PATH."""
        if not self._is_needed() or front_end.system_npm():
            return []
        return [front_end.NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build; an error ends the installation with its few lines, without a traceback."""
        if not self._is_needed():
            return
        try:
            front_end.build(Path(self.root))
        except front_end.BuildError as error:
            raise SystemExit(f"attnscope: {error}") from None
