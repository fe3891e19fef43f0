"""Recording a forward pass: `record` around any call, `capture` from a text to a Trace.

A recording has three parts (see ARCHITECTURE.md): the attention function a model already uses is
wrapped (`registry`); a torch function mode sees attention in code of the model's own (`mode`); and
light hooks tell which module runs, and which was given another side to attend to (`where`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from attnscope._numbers import numbers_of
from attnscope.capture.assemble import shown_of, trace_of
from attnscope.capture.calls.call import DROPOUT
from attnscope.capture.calls.keeping import Keeping, queries_of
from attnscope.capture.calls.problems import ELSEWISE
from attnscope.capture.gradients import add_gradients, objective, trackable
from attnscope.capture.guesses import best_of, count_of, with_predictions
from attnscope.capture.inputs.checks import check_model
from attnscope.capture.inputs.limits import check_length
from attnscope.capture.inputs.prepare import Prepared, check_segments, prepare
from attnscope.capture.memory import LARGE, Asked, estimate, in_words, tell
from attnscope.capture.places.where import attention_modules, is_attention
from attnscope.capture.recorder import Recording
from attnscope.capture.running import bare, explained, uncompiled, warn
from attnscope.capture.zeroing import add_zeroing, check_zeroing
from attnscope.errors import CaptureError, InputError
from attnscope.narrowing import precision_of
from attnscope.trace import Trace

LONG_WORK = 2e11
"""Parameters x tokens from which a progress bar is shown: some seconds on a CPU."""


@contextmanager
def record(model: nn.Module, **options: Any) -> Iterator[Recording]:
    """Record this model's attention calls on this thread while the block runs.

    Args:
        model: the model, as loaded; other models and other threads are not recorded.
        options: fields of `Recording`: `index`, `batch`, `layers`, `heads`, `keeping`, `values`,
            `gradient`, `tick`.

    Yields:
        A `Recording`; `recording.verify()` afterwards raises what went wrong and certifies.
    """
    recording = Recording(bare(model), **options)
    with uncompiled(recording.model), recording.running():
        yield recording


def capture(
    model: Any,
    tokenizer: Any = None,
    text: Any = None,
    text_pair: Any = None,
    *,
    target: Any = None,
    inputs: Any = None,
    tokens: Any = None,
    target_tokens: Any = None,
    index: Any = None,
    layers: Any = None,
    heads: Any = None,
    queries: Any = None,
    dtype: Any = None,
    segments: Any = None,
    values: bool = False,
    gradient: Any = None,
    value_zeroing: bool = False,
    predictions: Any = None,
    progress: bool | None = None,
) -> Trace:
    """Run a model once and record its attention as a `Trace`.

    The model runs as it is: its own attention implementation, precision, device and mode. It is
    left as it was, also after an error or Ctrl-C, and its outputs do not change.

    Args:
        model: a Hugging Face PyTorch model.
        tokenizer: its tokenizer; needed with `text`, names the tokens of `inputs`.
        text: the text; a list of texts with `index`.
        text_pair: a second text in the same input.
        target: what the decoder of an encoder-decoder is to write.
        inputs: prepared model inputs (`tokenizer(text, return_tensors="pt")`) instead of a text.
        tokens: names of the tokens, with or without padding; those that `past_key_values` holds
            come first.
        target_tokens: names of the decoder's tokens.
        index: the batch item to record, needed when there are several. Its padding is dropped.
        layers: numbers of the layers to keep; None keeps all.
        heads: numbers of the heads to keep in each layer; None keeps all.
        queries: numbers of the tokens whose rows to keep, in every stream that has them: a list,
            or a slice such as `slice(-100, None)` for the last hundred; negative numbers count
            from the end. Keys are all kept, and tokens keep their numbers. None keeps all.
        dtype: `float16` keeps queries and keys (or weights) in half the memory of float32: weights
            are then right to about 0.003, and the certificate says how far. None keeps the
            model's precision.
        segments: named runs of the tokens shown, `[("question", 0, 9), ("context", 9, 40)]`.
        values: keep values, output projections and residuals as well, for measures of what is
            moved (norm-weighted, ALTI): about as much again as queries and keys, and the
            projections.
        gradient: of what to keep the gradient by every weight: a function that makes one number of
            the model's output, a token's text or number (its logit at the last position), a class,
            or True for the largest logit. Keeps values as well.
        value_zeroing: run each layer again without the value of each token, for
            `measures.value_zeroing`: about as much work as a forward pass for each token.
        predictions: how many of a language model's most probable tokens to keep at each token: what
            stands there, or (causal) what comes next. Views show them beside a token.
        progress: show a progress bar; None shows one for long work, and where more than 1 GB will
            be recorded.

    Returns:
        The trace, with streams `self`, or `encoder`, `decoder` and `cross`. Its provenance has the
        certificate; `trace.check()` checks every row.

    Raises:
        InputError: when what was given does not fit together or does not fit the model.
        CaptureError: when this model's attention is not recorded yet, or what was recorded does
            not explain what the model computed.
        Exception: what the model itself raises, with a note of what it was called with.

    Warns:
        AttnscopeWarning: for a model in training mode, for attention that was not recorded, and
            where less memory is free than will be recorded.
    """
    check_model(model)
    model = bare(model)
    layers, heads = kept_numbers("layers", layers), kept_numbers("heads", heads)
    rows, stored, n_best = queries_of(queries), precision_of(dtype), count_of(predictions)
    prepared = prepare(
        model, tokenizer, text, text_pair, target, inputs, tokens, target_tokens, index
    )
    check_length(model, prepared.inputs)
    segments = check_segments(prepared.source, segments)
    values = values or value_zeroing or gradient is not None
    check_all(values, heads=heads, queries=rows)
    if value_zeroing:
        check_zeroing(model, prepared)
    wanted = Asked(layers, heads, rows, stored, values, gradient is not None, value_zeroing)
    needed = estimate(model, prepared.inputs, wanted)
    tell(needed)
    with _progress(model, prepared, progress, needed) as bar:
        options = {"index": prepared.index, "batch": prepared.batch, "tick": bar.update}
        options |= {"layers": layers, "heads": heads, "values": values}
        options |= {"keeping": Keeping(rows, stored, shown_of(prepared))}
        recording = Recording(model, gradient=gradient is not None, **options)
        aim = partial(objective, wanted=gradient, prepared=prepared, tokenizer=tokenizer)
        best = best_of(_run(recording, prepared, aim), prepared, n_best)
    certificate = recording.verify()
    check_coverage(recording)
    warn_of_training(recording)
    if rows is not None and recording.keeping.sizes:
        rows.check(recording.keeping.sizes)
    if value_zeroing:
        add_zeroing(recording, prepared, partial(_bar, model, prepared, progress))
    return with_predictions(trace_of(recording, certificate, prepared, segments), best, tokenizer)


def _run(recording: Recording, prepared: Prepared, objective: Callable[[Any], Any]) -> Any:
    """The output of one forward pass, recorded; and the objective's gradients, where wanted."""
    model, wanted, inputs = recording.model, recording.gradient, prepared.inputs
    with ExitStack() as stack:
        if wanted:
            stack.enter_context(torch.inference_mode(False))
            inputs = trackable(model, inputs)
        stack.enter_context(torch.set_grad_enabled(wanted))
        with uncompiled(model), recording.running(), explained(model, inputs):
            output = model(**inputs)
        if wanted and not recording.problems:
            add_gradients(recording.calls, objective(output))
    return output


def check_all(values: bool, **limits: Any) -> None:
    """Raise InputError where values are to be kept and something is to be left out."""
    for name, limit in limits.items():
        if values and limit is not None:
            why = ", which write into one output together" if name == "heads" else ""
            raise InputError(f"values= and gradient= need all {name}{why}: leave {name}= out.")


def kept_numbers(name: str, given: Any) -> tuple[int, ...] | None:
    """The numbers of `layers` or `heads` to keep, each once; None for all."""
    return None if given is None else tuple(numbers_of(name, given))


def _progress(
    model: nn.Module, prepared: Prepared, wanted: bool | None, needed: int | None
) -> tqdm[Any]:
    """A bar on stderr that counts attention calls, and says how much will be recorded."""
    names = list(attention_modules(model))
    inner = [name for name in names if not any(n.startswith(f"{name}.") for n in names)]
    what = f"capture, {in_words(needed)} to record" if needed else "capture"
    if wanted is None and needed and needed >= LARGE:
        wanted = True
    return _bar(model, prepared, wanted, what, len(inner))


def _bar(
    model: nn.Module, prepared: Prepared, wanted: bool | None, what: str, steps: int
) -> tqdm[Any]:
    """A bar on stderr, by default where all its steps are long work."""
    ids = prepared.inputs.get("input_ids")
    n_tokens = ids.numel() if isinstance(ids, torch.Tensor) else 1
    if wanted is None:
        times = n_tokens if what == "value zeroing" else 1
        wanted = times * n_tokens * sum(p.numel() for p in model.parameters()) > LONG_WORK
    return tqdm(total=steps, desc=what, unit="layer", disable=not wanted, leave=False)


def check_coverage(recording: Recording) -> None:
    """An error when nothing was recorded, a warning when some attention seems to be missing."""
    ran = [name for name, module in recording.ran.items() if is_attention(module)]
    missed = [name for name in ran if not _near(name, recording.heard_in)]
    if not recording.numbers:
        raise CaptureError(_nothing_recorded(recording, missed))
    if recording.unresolved and not recording.calls:
        raise CaptureError(_unresolved(recording))
    if recording.unresolved:
        warn(f"{_unresolved(recording)} The trace has the others.")
    if missed:
        kinds = {type(recording.ran[name]).__name__ for name in missed}
        warn(
            f"{len(missed)} attention modules ran and were not recorded: {', '.join(missed[:3])}"
            f"{', ...' if len(missed) > 3 else ''} ({', '.join(sorted(kinds))}). The trace has the "
            "others."
        )


def _unresolved(recording: Recording) -> str:
    """The first of the calls that could not be read, and how many more there are."""
    first, *rest = recording.unresolved.values()
    more = f" The same goes for {len(rest)} other modules." if rest else ""
    return f"{first}{more} These weights are not recorded."


def _near(name: str, recorded: set[str]) -> bool:
    """True where something was recorded in this module, below it or above it."""
    return any(f"{n}.".startswith(f"{name}.") or f"{name}.".startswith(f"{n}.") for n in recorded)


def _nothing_recorded(recording: Recording, missed: Sequence[str]) -> str:
    model = recording.model
    kind = getattr(getattr(model, "config", None), "model_type", "unknown")
    who = f"{type(model).__name__} (model_type {kind!r})"
    what = "no attention function was called, and there was no softmax of queries times keys"
    if missed:
        what += f", not in {missed[0]} ({type(recording.ran[missed[0]]).__name__}) either"
    return (
        f"{who} ran without any attention that attnscope sees: {what}. State-space, linear and "
        "hashed attention have no weights of that kind; those inside a compiled extension or a "
        f"TorchScript module are not seen. {ELSEWISE}"
    )


def warn_of_training(recording: Recording) -> None:
    """A warning where dropout was active."""
    if recording.model.training or any(call.unseen == DROPOUT for call in recording.calls):
        warn(
            "the model is in training mode: with dropout, each forward pass is a different one. "
            "The weights are those before dropout, and calls with dropout are not certified. For "
            "the trained model as it is used, call model.eval() first."
        )
