"""Where a trace came from, and how far its numbers are certified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from attnscope._numbers import counted


@dataclass(frozen=True)
class Certificate:
    """How well recorded ingredients explain the model's own attention output.

    Attributes:
        error: largest |P.V - output| over the rows checked, relative to the largest |V| of its
            head (both as products with a few fixed random vectors, see `capture.certify`).
        rows: rows checked (queries of one head).
        calls: attention calls checked.
        skipped: calls that could not be checked.
        reasons: why they could not.
    """

    error: float
    rows: int
    calls: int
    skipped: int = 0
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        why = ", ".join(self.reasons) or "nothing to check against"
        if not self.calls:
            return f"not certified: {why}"
        skipped = f", {counted(self.skipped, 'call')} not checked ({why})" if self.skipped else ""
        return (
            f"certified: largest error {self.error:.1e} over {counted(self.rows, 'row')}{skipped}"
        )


@dataclass(frozen=True)
class Provenance:
    """Where a trace came from."""

    model: str = ""
    model_type: str = ""
    dtype: str = ""
    attention: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    certificate: Certificate | None = None
    notes: tuple[str, ...] = ()


UNKNOWN = Provenance()
"""Of a trace that nobody says anything about."""
