"""What `model.generate()` wrote: the tokens, the beam that made each, the sides of the trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attnscope._types import TokenMask
from attnscope.capture.generating.joining import FINISHED, Path, ids_read
from attnscope.capture.generating.orders import PROMPT, Order
from attnscope.capture.generating.stepping import Step
from attnscope.capture.inputs.prepare import Prepared, Side
from attnscope.capture.inputs.texts import named_by
from attnscope.errors import CaptureError
from attnscope.generation import GENERATED, Generation
from attnscope.tokens import Segment, Tokens, tokens_from_tokenizer

START = "start"
"""Name of the segment of what a decoder is given to begin with."""


@dataclass(frozen=True, eq=False)
class Written:
    """The sequence recorded.

    Attributes:
        path: its rows.
        past: tokens that a cache held before the first step: they are keys only.
        ids: of all its tokens, the last one included; None where the model read embeddings.
    """

    path: Path
    past: int
    ids: Sequence[int | None]

    @property
    def n_prompt(self) -> int:
        """Tokens before the first one that was made."""
        return self.path.first + 1


def written(order: Order, steps: Sequence[Step], result: Any) -> Written:
    """Which tokens were made, out of what `generate()` returned.

    Raises:
        CaptureError: when these are not the tokens that the model read.
    """
    if not steps:
        raise CaptureError(
            f"{type(order.model).__name__}.generate() never runs the model itself, but parts of it "
            f"(BLIP: its text decoder): this way of generating is not recorded. {FINISHED}"
        )
    n_prompt = _prompt_length(order, steps[0].stop)
    sequences = getattr(result, "sequences", result)
    row = sequences[order.sequence].tolist()
    made, beams = row[_repeated(order, n_prompt, row) :], list[int]()
    chosen = getattr(result, "beam_indices", None)
    if chosen is None:
        made = _to_the_end(order, made)
    else:
        beams = [beam for beam in chosen[order.sequence].tolist() if beam >= 0]
        made = made[: len(beams)]
    path = Path(n_prompt + len(made) - 1, n_prompt - 1, beams)
    past = steps[0].start
    read = [*_past_ids(order, past), *ids_read(steps, path)[past:]]
    if not made or read[n_prompt:] != made[:-1]:
        raise CaptureError(
            f"{type(order.model).__name__}.generate() returned {len(made)} new tokens, which are "
            f"not those that the model read in its {len(steps)} steps: this way of generating is "
            f"not recorded. {FINISHED}"
        )
    return Written(path, past, [*read, made[-1]])


def _prompt_length(order: Order, first_stop: int) -> int:
    """Tokens before the first one that is made, of which the first step may read fewer or more.

    A long prompt may be read in chunks, and an assistant's guesses are read together with it; what
    a decoder begins with is known when it has begun (Whisper's language and task).
    """
    begins = order.both and order.options.get("assistant_model") is None
    return first_stop if begins else order.n_prompt or first_stop


def _repeated(order: Order, n_prompt: int, row: Sequence[int]) -> int:
    """How many tokens of the prompt `generate()` gives back in front of the new ones."""
    if order.both:
        return n_prompt if len(row) > n_prompt else 0
    ids = order.prompt.inputs.get("input_ids")
    return 0 if ids is None else int(ids.shape[1])


def _past_ids(order: Order, past: int) -> list[int | None]:
    """Ids of the tokens that a cache held, where the prompt has them."""
    ids = None if order.both else order.prompt.inputs.get("input_ids")
    if ids is None or ids.shape[1] != order.n_prompt:
        return [None] * past
    return list(ids[order.item].tolist()[:past])


def _to_the_end(order: Order, made: list[int]) -> list[int]:
    """The tokens up to the one that ends the text: shorter sequences of a batch are padded."""
    ends = order.setting("eos_token_id", ())
    ends = {int(end) for end in (ends if hasattr(ends, "__iter__") else [ends])}
    for place, token in enumerate(made):
        if token in ends:
            return made[: place + 1]
    pad = order.setting("pad_token_id", None)
    while len(made) > 1 and order.prompt.n > 1 and made[-1] == pad:
        made = made[:-1]
    return made


def sides_of(order: Order, made: Written) -> Prepared:
    """The tokens on either side of every stream: those that were read."""
    tokens = _tokens(order, made.ids)
    read = tokens.take(np.arange(len(tokens)) < made.path.stop)
    n_prompt, n_read = made.n_prompt, made.path.stop
    source, kept = order.source, np.ones(n_read, dtype=bool)
    if order.both:
        if source.tokens is not None:
            runs = _over(order.segments, source.kept_of(len(source.tokens)))
            source = replace(source, tokens=source.tokens.with_segments(runs))
        runs = [Segment(START, 0, n_prompt)]
    else:
        if source.kept is not None:
            kept[:n_prompt] = source.kept
        runs = _over(order.segments or [Segment(PROMPT, 0, n_prompt)], kept[:n_prompt])
    if n_read > n_prompt:
        runs = [*runs, Segment(GENERATED, n_prompt, n_read)]
    own = Side("prompt", read.with_segments(runs), kept=kept, past=made.past)
    prompt = order.prompt
    return Prepared(dict(prompt.inputs), order.item, prompt.n, source if order.both else own, own)


def generation_of(order: Order, made: Written, stream: str, n_query: int) -> Generation:
    """The tokens that were made, and where their rows are among a stream's queries."""
    tokens = _tokens(order, made.ids)
    text = ""
    ids = [token for token in made.ids[made.n_prompt :] if token is not None]
    if order.tokenizer is not None:
        text = str(named_by(order.tokenizer).decode(ids, skip_special_tokens=True))
    new = tokens.take(np.arange(len(tokens)) >= made.n_prompt)
    return Generation(stream, n_query - len(new), new, text)


def _over(segments: Sequence[Segment], kept: TokenMask) -> list[Segment]:
    """Runs of the tokens kept as runs of all of them: padding joins the run before it."""
    at = [*np.flatnonzero(kept).tolist(), len(kept)]
    starts = [0, *(at[segment.start] for segment in segments[1:]), len(kept)]
    return [
        Segment(segment.name, start, stop)
        for segment, start, stop in zip(segments, starts, starts[1:], strict=False)
    ]


def _tokens(order: Order, ids: Sequence[int | None]) -> Tokens:
    """Tokens of the whole sequence; where they are in the text is known of the prompt's only."""
    known = [token for token in ids if token is not None]
    if order.tokenizer is None or len(known) < len(ids):
        names = known
        if order.tokenizer is not None:
            names = named_by(order.tokenizer).convert_ids_to_tokens(known)
        left = iter(names)
        return Tokens.plain(f"#{i}" if token is None else next(left) for i, token in enumerate(ids))
    tokens = tokens_from_tokenizer(named_by(order.tokenizer), {"input_ids": [known]}, 0)
    prompt = order.source.tokens
    if order.both or prompt is None or prompt.spans is None:
        return tokens
    spans = np.full((len(tokens), 2), -1, dtype=np.int64)
    spans[: len(prompt)] = prompt.spans
    return replace(tokens, spans=spans)
