"""Pictures held to committed ones, within a tolerance.

`ATTNSCOPE_MAKE_REFERENCES=1` in the environment makes the committed ones anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MAKING = "ATTNSCOPE_MAKE_REFERENCES" in os.environ
STEP = 24
"""A pixel is changed when a channel is off by more than this, of 255."""

SHARE = 0.02
"""So many pixels may be changed."""


def changed(image: Image.Image, reference: Image.Image) -> float:
    """The share of pixels that differ visibly; the reference decides the size."""
    there = np.asarray(image.resize(reference.size, Image.Resampling.BOX), int)
    apart = np.abs(there - np.asarray(reference.convert("RGB"), int)).max(axis=2)
    return float((apart > STEP).mean())


@dataclass(frozen=True)
class References:
    """A folder of reference pictures; what differs from one is saved beside it, `-changed`."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.png"

    def changed(self, image: Image.Image, name: str) -> float:
        """The share of pixels that differ visibly from this reference."""
        return changed(image, Image.open(self.path(name)))

    def hold(self, image: Image.Image, name: str) -> None:
        """Fail where the image looks different; or make it the reference."""
        path = self.path(name)
        beside = self.path(f"{name}-changed")
        beside.unlink(missing_ok=True)
        if MAKING:
            self.folder.mkdir(exist_ok=True)
            image.save(path, optimize=True)
        share = self.changed(image, name)
        if share > SHARE:
            image.save(beside)
            pytest.fail(f"{share:.1%} of the pixels differ from {path.name}: compare {beside}")

    def check_files(self, names: Iterable[str], largest: int) -> None:
        """There is a picture for each name and no other; each is small and not empty."""
        kept = {path for path in self.folder.glob("*.png") if not path.stem.endswith("-changed")}
        assert {path.stem for path in kept} == set(names)
        for path in kept:
            assert path.stat().st_size < largest
            assert np.asarray(Image.open(path).convert("L")).std() > 2
