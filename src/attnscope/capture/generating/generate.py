"""`attnscope.generate`: a model writes, and what it looked at for every token becomes a Trace.

`model.generate()` runs as it is, with its key cache and its own way to choose tokens. Every forward
pass is recorded (`stepping`), and put together (`joining`) to what one pass over the whole text
would have given; `written` reads from the result which text that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tqdm import tqdm

from attnscope.capture.assemble import check_layers, trace_of
from attnscope.capture.forward import (
    LONG_WORK,
    check_all,
    check_coverage,
    kept_numbers,
    warn_of_training,
)
from attnscope.capture.generating.joining import joined
from attnscope.capture.generating.orders import Order, order_of
from attnscope.capture.generating.stepping import Stepwise
from attnscope.capture.generating.written import Written, generation_of, sides_of, written
from attnscope.capture.inputs.checks import check_model
from attnscope.capture.inputs.limits import check_length, check_room
from attnscope.capture.inputs.prepare import moved
from attnscope.capture.inputs.prompts import prompt_of
from attnscope.capture.memory import LARGE, Asked, estimate, in_words, tell
from attnscope.capture.places.streams import stream_names
from attnscope.capture.running import bare, explained, uncompiled
from attnscope.errors import CaptureError, InputError
from attnscope.trace import Trace

NOTE = "The last token '{}' was generated and not read: it has no row and is no key."


def generate(
    model: Any,
    tokenizer: Any = None,
    prompt: Any = None,
    *,
    index: Any = None,
    layers: Any = None,
    heads: Any = None,
    values: bool = False,
    segments: Any = None,
    chat_template_kwargs: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **generate_kwargs: Any,
) -> Trace:
    """Let a model write, and record what it looked at for every token as a `Trace`.

    The tokens are those that `model.generate()` gives without recording, and the rows are those of
    one forward pass over the finished text. The model is left as it was, also after an error or
    Ctrl-C. Greedy decoding, sampling, beam search (the beam that is returned) and prompt look-up
    are recorded, with any key cache that keeps keys as they are, or none.

    What the model looked at when it *made* token i is the row of the token before it:
    `trace.generation.start + i`. The last token was made and not read: it has no row and is no
    key, and stands in `trace.generation.tokens` only.

    Args:
        model: a Hugging Face PyTorch model that generates.
        tokenizer: its tokenizer; names the tokens, and is needed for texts and chats.
        prompt: a text; a list of chat messages, `[{"role": "user", "content": "..."}]`, which the
            tokenizer's chat template makes a text of; or model inputs, `tokenizer(...)`. Several
            texts or chats in a list, with `index`.
        index: the sequence to record, where `generate()` makes several: prompt by prompt, the
            `num_return_sequences` of each.
        layers: numbers of the layers to keep; None keeps all.
        heads: numbers of the heads to keep in each layer; None keeps all.
        values: keep values, output projections and residuals as well, as `capture` does, for
            measures of what is moved (norm-weighted).
        segments: named runs of the prompt's tokens, `[("question", 0, 9), ("context", 9, 40)]`;
            None for the turns of a chat, or `prompt`. What was generated is a segment of its own.
        chat_template_kwargs: options of the chat template, `{"enable_thinking": False}`.
        progress: show a progress bar; None shows one for long work, and where more than 1 GB will
            be recorded, without a streamer.
        generate_kwargs: everything that `model.generate()` takes: `max_new_tokens`, `do_sample`,
            `num_beams`, `num_return_sequences`, `streamer`, `generation_config`, ...

    Returns:
        The trace over prompt and generated tokens, with `trace.generation`. Streams are `self`, or
        `encoder`, `decoder` and `cross`. Every row that made a token is certified.

    Raises:
        InputError: when what was given does not fit together or does not fit the model.
        CaptureError: when what was recorded does not explain what the model computed.
        Exception: what the model itself raises, with a note of what it was called with.

    Warns:
        AttnscopeWarning: for a model in training mode, for attention that was not recorded, and
            where less memory is free than will be recorded.
    """
    check_model(model)
    model = bare(model)
    _check_generates(model)
    layers, heads = kept_numbers("layers", layers), kept_numbers("heads", heads)
    check_all(values, heads=heads)
    asked = prompt_of(model, tokenizer, prompt, chat_template_kwargs)
    check_length(model, asked.inputs, "generate(model, tokenizer, ")
    order = order_of(model, tokenizer, asked, generate_kwargs, index, segments)
    _check_cache(order)
    if (n_new := order.setting("max_new_tokens", 0)) > 0:
        check_room(model, order.n_prompt, n_new, order.both)
    rows = (order.n_read - order.n_prompt) * order.setting("num_beams", 1)
    needed = estimate(model, asked.inputs, Asked(layers, heads, values=values), max(0, rows))
    tell(needed, "generation", "max_new_tokens= fewer tokens")
    recording = Stepwise(
        model,
        layers=layers,
        heads=heads,
        values=values,
        n_prompts=asked.n,
        prompt=order.item,
        sample=order.sequence % order.each,
        beams=order.setting("num_beams", 1) > 1,
        kept=None if order.both else order.source.kept,
    )
    result = _run(recording, order, progress, needed)
    if recording.problems:
        raise recording.problems[0]
    check_coverage(recording)
    check_layers(recording)
    return _trace(recording, order, written(order, recording.steps, result))


def _check_generates(model: Any) -> None:
    if callable(getattr(model, "generate", None)):
        return
    raise InputError(
        f"{type(model).__name__} does not generate: it has no language modelling head. Load the "
        "model with AutoModelForCausalLM (AutoModelForSeq2SeqLM for an encoder-decoder) "
        ".from_pretrained, or record one pass with attnscope.capture."
    )


def _check_cache(order: Order) -> None:
    """Raise CaptureError for a cache in which a key is not the same for all rows."""
    given = order.options.get("past_key_values")
    kinds = (order.setting("cache_implementation", None), type(given).__name__)
    if any("quantized" in str(kind).lower() for kind in kinds):
        raise CaptureError(
            "a quantised key cache rounds keys after they were used: the rows of the prompt read "
            "other keys than those of the tokens generated, and no one set of keys explains both. "
            "Generate with another cache (leave cache_implementation= out; some tokens may "
            "differ), or record the finished text: attnscope.capture(model, tokenizer, text)."
        )


def _run(recording: Stepwise, order: Order, progress: bool | None, needed: int | None) -> Any:
    """What `model.generate()` returns, while the recording listens."""
    model, inputs = order.model, moved(order.model, order.prompt.inputs)
    with _progress(order, progress, needed) as bar:
        recording.stepped = bar.update
        with uncompiled(model), recording.running(), explained(model, inputs, "generate"):
            return model.generate(**inputs, **order.options)


def _progress(order: Order, wanted: bool | None, needed: int | None) -> tqdm[Any]:
    """A bar on stderr that counts tokens read, and says how much will be recorded."""
    total, large = order.n_read, needed is not None and needed >= LARGE
    if wanted is None and order.options.get("streamer") is None:
        size = sum(parameter.numel() for parameter in order.model.parameters())
        wanted = large or total * size > LONG_WORK
    what = f"generate, {in_words(needed)} to record" if needed else "generate"
    return tqdm(total=total, desc=what, unit="token", disable=not wanted, leave=False)


def _trace(recording: Stepwise, order: Order, made: Written) -> Trace:
    recording.calls, recording.numbers, grown = joined(recording, made.path)
    recording.certified_from = made.path.first - made.past
    certificate = recording.verify()
    warn_of_training(recording)
    trace = trace_of(recording, certificate, sides_of(order, made))
    name = stream_names(tuple(recording.numbers))[grown]
    generation = generation_of(order, made, name, len(trace.streams[name].query))
    notes = (*trace.provenance.notes, NOTE.format(generation.tokens.text[-1]))
    streams = list(trace.streams.values())
    return Trace(streams, replace(trace.provenance, notes=notes), generation)
