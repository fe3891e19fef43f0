"""What `attnscope.generate` was asked for: prompt, options, and which sequence to record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from attnscope._numbers import index_of
from attnscope.capture.inputs.prepare import Side, side_of
from attnscope.capture.inputs.prompts import Prompt, segments_of
from attnscope.errors import InputError
from attnscope.tokens import Segment

PROMPT = "prompt"


@dataclass(frozen=True, eq=False)
class Order:
    """One call of `generate`, checked.

    Attributes:
        model, tokenizer, prompt: as given.
        options: the arguments of `model.generate()`.
        sequence: which of the sequences that it returns is recorded.
        source: the prompt's tokens (of an encoder-decoder, the encoder's).
        segments: runs of these tokens, padding left out.
    """

    model: Any
    tokenizer: Any
    prompt: Prompt
    options: Mapping[str, Any]
    sequence: int
    source: Side
    segments: tuple[Segment, ...]

    @property
    def both(self) -> bool:
        """True for an encoder-decoder, whose prompt and answer are different sides."""
        return bool(getattr(self.model.config, "is_encoder_decoder", False))

    @property
    def item(self) -> int:
        """The prompt recorded."""
        return self.sequence // self.each

    @property
    def n_prompt(self) -> int:
        """Tokens before the first one that is made, as far as known by now; else 0."""
        if self.both:
            begun = self.prompt.inputs.get("decoder_input_ids")
            return 1 if begun is None else int(begun.shape[1])
        names = ("attention_mask", "input_ids", "inputs_embeds")
        given = (self.prompt.inputs.get(name) for name in names)
        return next((int(one.shape[1]) for one in given if one is not None), 0)

    @property
    def n_read(self) -> int:
        """Tokens that will be read if nothing ends the text before: all but the last one made."""
        n_new = self.setting("max_new_tokens", None)
        return int(self.n_prompt + n_new if n_new else self.setting("max_length", 20)) - 1

    @property
    def each(self) -> int:
        """Sequences made of each prompt."""
        return int(self.setting("num_return_sequences", 1))

    def setting(self, name: str, default: Any) -> Any:
        """A setting of the generation: an argument, or the configuration's."""
        return setting(self.model, self.options, name, default)


def setting(model: Any, options: Mapping[str, Any], name: str, default: Any) -> Any:
    """What `model.generate(**options)` takes a setting to be."""
    configurations = (options.get("generation_config"), getattr(model, "generation_config", None))
    given = [options.get(name), *(getattr(one, name, None) for one in configurations)]
    return next((value for value in given if value is not None), default)


def order_of(
    model: nn.Module,
    tokenizer: Any,
    prompt: Prompt,
    options: Mapping[str, Any],
    index: Any,
    segments: Any,
) -> Order:
    """The order, checked.

    Raises:
        InputError: for an index or segments that do not fit.
    """
    each = setting(model, options, "num_return_sequences", 1)
    sequence = _sequence(index, prompt.n, each)
    source = side_of("prompt", "", prompt.inputs, sequence // each, tokenizer, None, 0)
    runs = _segments(source, segments, prompt, sequence // each)
    options = _with_needs(model, tokenizer, options)
    return Order(model, tokenizer, prompt, options, sequence, source, runs)


def _sequence(index: Any, n_prompts: int, each: int) -> int:
    total = n_prompts * each
    if index is None and total > 1:
        made = f"{n_prompts} prompts × num_return_sequences={each}" if each > 1 else "one a prompt"
        raise InputError(
            f"generate() makes {total} sequences ({made}): pass index= 0 to {total - 1} to choose "
            "the one to record."
        )
    sequence = 0 if index is None else index_of("index", index)
    if not 0 <= sequence < total:
        raise InputError(
            f"index {sequence} is not among the sequences that generate() makes: 0 to {total - 1}."
        )
    return sequence


def _segments(source: Side, given: Any, prompt: Prompt, item: int) -> tuple[Segment, ...]:
    """Runs of the prompt's tokens without padding: the caller's, a chat's turns, or one."""
    if source.tokens is None:
        return ()
    tokens = source.tokens.take(source.kept_of(len(source.tokens)))
    if given is not None and len(given):
        return tokens.with_segments(given).segments
    if prompt.turns:
        return tuple(segments_of(prompt.turns[item], len(tokens)))
    return tokens.segments or (Segment(PROMPT, 0, len(tokens)),)


def _with_needs(model: Any, tokenizer: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, and those that a recording needs: nothing compiled, a result with beams."""
    needed: dict[str, Any] = {"return_dict_in_generate": True}
    if hasattr(getattr(model, "generation_config", None), "disable_compile"):
        needed["disable_compile"] = True
    if not hasattr(model, "_gather_beams") and setting(model, options, "num_beams", 1) > 1:
        needed["output_scores"] = True  # before transformers 4.51, beams are named with scores only
    if setting(model, options, "stop_strings", None) is not None and tokenizer is not None:
        needed["tokenizer"] = tokenizer
    return {**options, **needed}
