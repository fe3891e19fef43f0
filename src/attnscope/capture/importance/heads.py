"""Which heads matter for a task: what is lost without each, over many texts.

    attnscope.importance(model, tokenizer, texts, target=[" Mary", " John", ...])

By ablation (Michel et al. 2019, section 3: one head at a time), or by the gradient of the score by
a gate on each head (the same, section 4.1), which takes one backward pass for all heads. Beside
each mean stand a bootstrap interval over the texts, and the same measure on some of the texts
shuffled: a head that matters there as much does not use their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from tqdm.auto import tqdm

from attnscope._numbers import index_of
from attnscope._resuming import Progress
from attnscope.capture.editing.edits import Mean, Scale, Survey
from attnscope.capture.importance.examples import (
    Encoder,
    Example,
    logits_of,
    score_of,
    unembedding_of,
)
from attnscope.capture.importance.sweep import Sweep
from attnscope.capture.inputs.checks import check_model, forward_inputs
from attnscope.capture.running import bare, device_of, warn
from attnscope.errors import InputError
from attnscope.measures.known import count_of
from attnscope.measures.sampling import bootstrap
from attnscope.measures.table import Table

METHODS = ("ablation", "gradient")
BATCH = 32
"""Items of a batch, unless the caller says another number."""

NULL_TEXTS = 8
"""Of so many texts the null is taken at least, unless the caller says another number."""

LONG_WORK = 2e11
"""Parameters x tokens from which a progress bar is shown: some seconds on a CPU."""


def importance(
    model: Any,
    tokenizer: Any,
    texts: Any,
    target: Any = None,
    *,
    metric: Any = "loss",
    method: str = "ablation",
    mode: str = "zero",
    stream: str | None = None,
    null: Any = None,
    samples: int = 1000,
    batch_size: Any = None,
    state: str | PathLike[str] | None = None,
    progress: bool | None = None,
    seed: Any = 0,
) -> Table:
    """How much every head matters for a task.

    Args:
        model: a Hugging Face PyTorch model with its head (`AutoModelForCausalLM`, ...).
        tokenizer: its tokenizer.
        texts: the examples, strings; for a masked language model with one mask each.
        target: what is right for each text: the continuation (with its leading space), the word at
            the mask, the translation, the class; for `logit_difference` a pair (right, wrong). None
            asks a causal model for the text's own next tokens.
        metric: `loss` (mean cross-entropy, nats), `logit_difference` (right minus wrong),
            `accuracy` (share of tokens right), or a callable (output, inputs) -> one number a text,
            higher is better.
        method: `ablation`: the score as the model is, less the score without the head (for `loss`:
            how much the loss rises). `gradient`: |d score / d gate|, the gate a factor of 1 on the
            head's output, which is Michel et al.'s |Att(x)·dL/dAtt(x)| (2019).
        mode: of an ablation, `zero` or `mean` (over the text's own tokens).
        stream: where the model has several: `encoder`, `decoder`, `cross`.
        null: of how many texts, drawn at random, to do the same with their own tokens shuffled
            (special ones stay). None: a quarter of them, at least 8; True: all; False: none.
        samples: bootstrap samples of the interval.
        batch_size: items in a batch; a batch has several heads where there are few texts.
        state: a file to keep results in, so that a run that was stopped goes on.
        progress: show a progress bar; None shows one for long work.
        seed: of draws, shuffling and bootstrap.

    Returns:
        One row a head: `layer`, `head`, `importance` (mean over texts), `low` and `high` (95 %
        bootstrap interval; NaN for one text, with a warning), `texts` (how many), and with `null`
        the same for shuffled texts: `null`, `null_low`, `null_high`, `null_texts`. The null is of
        as many texts as `null_texts` says, its interval that much wider.

    Raises:
        InputError: when texts, targets, metric and model do not fit together; for a metric that
            gives NaN (the text says for which text and head); for the state file of another run.
    """
    check_model(model)
    score, model, seed = score_of(metric), bare(model), index_of("seed", seed)
    _check_method(method, mode, metric)
    examples = _examples(model, tokenizer, texts, target, metric)
    groups = {"": examples}
    if shuffled := _null_texts(null, len(examples), seed):
        groups["null"] = [
            examples[place].shuffled(np.random.default_rng([seed, place])) for place in shuffled
        ]
    batch = BATCH if batch_size is None else max(1, index_of("batch_size", batch_size))
    about = _about(model, examples, metric, method, mode, stream, len(shuffled), batch, seed)
    edit = Scale(0.0) if mode == "zero" else Mean()
    rows = None if callable(metric) else unembedding_of(model, examples)
    sweep = Sweep(model, tokenizer.pad_token_id or 0, score, stream, edit, batch, rows)
    values = _values(sweep, groups, method, Progress(state, about), progress)
    _warn_of_one(groups)
    return _table(values, samples, seed)


def _null_texts(null: Any, n: int, seed: int) -> list[int]:
    """Places of the texts that the null is taken from."""
    if isinstance(null, bool | np.bool_):
        wanted = n if null else 0
    else:
        wanted = max(n // 4, NULL_TEXTS) if null is None else count_of("null", null)
    drawn = np.random.default_rng(seed).permutation(n)[:wanted]
    return sorted(drawn.tolist())


def _warn_of_one(groups: Mapping[str, Sequence[Example]]) -> None:
    if len(groups[""]) == 1:
        warn("one text has no interval: low and high are NaN. Give importance several texts.")
    elif len(groups.get("null", ())) == 1:
        warn("a null of one text has no interval: null_low and null_high are NaN. Give null=2.")


Values = Mapping[tuple[int, int], Float[np.ndarray, "text"]]
"""By layer and head."""


def _values(
    sweep: Sweep,
    groups: Mapping[str, Sequence[Example]],
    method: str,
    done: Progress,
    wanted: bool | None,
) -> dict[str, Values]:
    """What each head is worth for each text, by group."""
    layers = sweep.survey(groups[""])
    chunks = [
        (name, examples[start : start + sweep.batch], start)
        for name, examples in groups.items()
        for start in range(0, len(examples), sweep.batch)
    ]
    work = _ablations if method == "ablation" else _gradients
    parts: dict[str, dict[tuple[int, int], list[float]]] = {name: {} for name in groups}
    with _bar(sweep, chunks, layers.heads, method, wanted) as bar:
        for name, examples, start in chunks:
            found = work(sweep, examples, layers, done, f"{name}@{start}", bar.update)
            for cell, values in found.items():
                parts[name].setdefault(cell, []).extend(values)
    return {name: {k: np.array(v) for k, v in cells.items()} for name, cells in parts.items()}


def _ablations(
    sweep: Sweep,
    examples: Sequence[Example],
    layers: Survey,
    done: Progress,
    key: str,
    tick: Callable[[], Any],
) -> dict[tuple[int, int], list[float]]:
    together = max(1, sweep.batch // len(examples))
    passes = list(_passes(layers.heads, together))
    keys = {(layer, h): f"{key} {layer}.{h}" for layer, heads in passes for h in heads}
    record = None
    for layer, heads in passes:
        if not all(keys[layer, h] in done.done for h in heads):
            if record is None:
                scores, record = sweep.recorded(examples, layers, min(together, len(heads)))
                done.put({f"{key} base": scores})
            found = sweep.ablated(examples, layer, heads, layers.heads[layer], record)
            done.put({keys[layer, h]: values for h, values in found.items()})
        tick()
    base = np.array(done.done[f"{key} base"])
    return {cell: (base - done.done[name]).tolist() for cell, name in keys.items()}


def _gradients(
    sweep: Sweep,
    examples: Sequence[Example],
    layers: Survey,
    done: Progress,
    key: str,
    tick: Callable[[], Any],
) -> dict[tuple[int, int], list[float]]:
    shape = layers.heads
    cells = {
        (layer, head): f"{key} {layer}.{head}" for layer in shape for head in range(shape[layer])
    }
    if not all(name in done.done for name in cells.values()):
        sweep.base(examples)
        found = sweep.gradients(examples, shape)
        done.put({cells[cell]: values for cell, values in found.items()})
    tick()
    return {cell: done.done[name] for cell, name in cells.items()}


def _passes(shape: Mapping[int, int], together: int) -> Iterator[tuple[int, range]]:
    """(layer, heads to ablate in one batch)."""
    for layer, n_heads in shape.items():
        for start in range(0, n_heads, together):
            yield layer, range(start, min(start + together, n_heads))


def _table(values: Mapping[str, Values], samples: int, seed: int) -> Table:
    cells = list(values[""])
    columns: dict[str, Any] = {
        "layer": [layer for layer, _ in cells],
        "head": [head for _, head in cells],
    }
    for name, group in values.items():
        rows = np.stack([group[cell] for cell in cells], axis=1)
        low, high = bootstrap(rows, samples=samples, seed=seed)
        prefix = f"{name}_" if name else ""
        columns |= {name or "importance": rows.mean(0), f"{prefix}low": low, f"{prefix}high": high}
        columns[f"{prefix}texts"] = [len(rows)] * len(cells)
    return Table(columns)


def _examples(model: Any, tokenizer: Any, texts: Any, target: Any, metric: Any) -> list[Example]:
    if isinstance(texts, str) or not hasattr(texts, "__iter__"):
        raise InputError(f"texts must be a list of strings, got {type(texts).__name__}.")
    listed = list(texts)
    if not listed or not all(isinstance(text, str) and text.strip() for text in listed):
        raise InputError("texts must be strings with at least one word each, and at least one.")
    targets = [None] * len(listed) if target is None else list(target)
    if isinstance(target, str) or len(targets) != len(listed):
        many = "a string" if isinstance(target, str) else f"{len(targets)} targets"
        raise InputError(f"target must have one entry a text: got {many} for {len(listed)} texts.")
    if model.training:
        warn("the model is in training mode, and dropout is random: call model.eval() first.")
    encoder = Encoder(model, tokenizer)
    if not callable(metric):
        encoder = Encoder(model, tokenizer, classes=_gives_classes(model, tokenizer, listed[0]))
    return [encoder.example(text, t, metric) for text, t in zip(listed, targets, strict=True)]


def _gives_classes(model: Any, tokenizer: Any, text: str) -> bool:
    """Whether the model has one row of logits an item; found by asking it."""
    known, _ = forward_inputs(model)
    encoding = tokenizer(text, return_tensors="pt")
    inputs = {k: v.to(device_of(model)) for k, v in encoding.items() if k in known}
    if "decoder_input_ids" in known and getattr(model.config, "is_encoder_decoder", False):
        return False
    with torch.no_grad():
        return bool(logits_of(model(**inputs)).ndim == 2)


def _check_method(method: Any, mode: Any, metric: Any) -> None:
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(map(repr, METHODS))}, got {method!r}.")
    if mode not in ("zero", "mean"):
        raise InputError(f"mode must be 'zero' or 'mean', got {mode!r}.")
    if method == "gradient" and metric == "accuracy":
        raise InputError("accuracy has no gradient: metric='loss', or method='ablation'.")


def _about(
    model: Any,
    examples: Sequence[Example],
    metric: Any,
    method: str,
    mode: str,
    stream: str | None,
    null: int,
    batch: int,
    seed: int,
) -> dict[str, Any]:
    """What the results in a state file belong to."""
    wanted = [[e.inputs, e.wanted, e.against] for e in examples]
    return {
        "the model": _fingerprint(model),
        "the texts or targets": hashlib.sha256(repr(wanted).encode()).hexdigest(),
        "metric": metric
        if isinstance(metric, str)
        else getattr(metric, "__qualname__", "callable"),
        "method": method,
        "mode": mode,
        "stream": stream,
        "null": null,
        "batch_size": batch,
        "seed": seed,
    }


def _fingerprint(model: Any) -> str:
    """Shapes of all parameters, and a few of the numbers in each."""
    digest = hashlib.sha256(type(model).__name__.encode())
    for name, parameter in model.named_parameters():
        flat = parameter.detach().reshape(-1)
        some = flat[:: max(1, len(flat) // 64)][:64].double().cpu().numpy().tobytes()
        digest.update(f"{name}{tuple(parameter.shape)}".encode() + some)
    return digest.hexdigest()


def _bar(
    sweep: Sweep,
    chunks: Sequence[tuple[str, Sequence[Example], int]],
    shape: Mapping[int, int],
    method: str,
    wanted: bool | None,
) -> tqdm[Any]:
    passes = [1] * len(chunks)
    if method == "ablation":
        together = [max(1, sweep.batch // len(examples)) for _, examples, _ in chunks]
        passes = [sum(1 for _ in _passes(shape, heads)) for heads in together]
    if wanted is None:
        tokens = [sum(len(e.inputs["input_ids"]) for e in examples) for _, examples, _ in chunks]
        size = sum(parameter.numel() for parameter in sweep.model.parameters())
        wanted = size * int(np.dot(tokens, passes)) > LONG_WORK
    return tqdm(total=sum(passes), desc="importance", unit="pass", disable=not wanted, leave=False)
