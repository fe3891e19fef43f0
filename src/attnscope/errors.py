"""The exceptions attnscope raises on purpose.

Every text names what was given, what was expected and the next step. All of them derive from
`AttnscopeError`, and from the built-in exception that a caller would guess, so that both
`except AttnscopeError` and `except ValueError` work.
"""

from __future__ import annotations


class AttnscopeError(Exception):
    """Base of every error that attnscope raises on purpose."""


class InputError(AttnscopeError, ValueError):
    """What the caller gave does not fit: a shape, an index, a token list, an empty text."""


class CaptureError(AttnscopeError, RuntimeError):
    """The model's attention could not be recorded, or what was recorded does not explain it."""


class MissingDependencyError(AttnscopeError, ImportError):
    """An optional package is needed for what was asked; the text has the pip line."""


class FrontEndError(AttnscopeError, RuntimeError):
    """The browser front end is missing or older than its sources; the text says how to build it."""


class AttnscopeWarning(UserWarning):
    """Something looks wrong, but a picture can still be made of it."""


class SaveError(AttnscopeError, OSError):
    """A file could not be written; what was there before is still there."""


class LoadError(AttnscopeError, OSError):
    """A file could not be read as a trace: it is not there, damaged, foreign or too new."""
