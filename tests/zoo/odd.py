"""Model types whose `attentions` are something else than the weights that the model used.

`TRUE` gets the weights in another way, by code that has nothing to do with attnscope's; `REASONS`
says of the others why there are none, or why they are not recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F

Run = Callable[[], dict[str, list[torch.Tensor]]]
"""Runs the model with eager attention, and gives its fields."""

REASONS: dict[str, str] = {
    "autoformer": "autocorrelation: no softmax of queries times keys",
    "deformable_detr": "deformable attention has no keys; the decoder's own attention is exact",
    "groupvit": "`attentions` are grouping maps put together over stages",
    "informer": "ProbSparse attention keeps some queries; all else is exact",
    "inkling2": "learned sinks that differ by query are not recorded yet",
    "inkling2_text": "learned sinks that differ by query are not recorded yet",
    "longt5": "local attention in blocks that share keys is not recorded; the decoder is exact",
    "minimax": "`attentions` holds states of linear attention too; softmax layers are exact",
    "nemotron3_5_asr": "eager code of Transformers gives NaN",
    "nemotron_asr_streaming": "eager code of Transformers gives NaN",
    "nemotron_asr_streaming_encoder": "eager code of Transformers gives NaN",
    "pegasus_x": "local attention in blocks that share keys is not recorded; all else is exact",
    "prophetnet": "n-gram streams share keys and are not recorded; encoder and cross are exact",
    "reformer": "hashed and local attention in chunks: no softmax that is seen",
    "rwkv": "no softmax attention: `attentions` holds states",
    "yoso": "no softmax attention: `attentions` holds hidden states",
}

TRUE: dict[str, Callable[[Any, Run], list[torch.Tensor]]] = {}
NOTES: dict[str, str] = {}


def instead(note: str, *kinds: str) -> Callable[[Any], Any]:
    def add(function: Any) -> Any:
        TRUE.update(dict.fromkeys(kinds, function))
        NOTES.update(dict.fromkeys(kinds, note))
        return function

    return add


@instead("`attentions` are scores", "squeezebert")
def _softmax(_: Any, run: Run) -> list[torch.Tensor]:
    return [scores.softmax(-1) for scores in run()["attentions"]]


@instead("`attentions` are scores", "prophetnet")
def _softmax_of_streams(_: Any, run: Run) -> list[torch.Tensor]:
    fields = run()
    ngrams = fields.pop("decoder_ngram_attentions")
    assert ngrams[0].ndim == 5
    return [scores.softmax(-1) for listed in fields.values() for scores in listed]


@instead("`attentions` leave out the 32 prompt tokens", "cpmant")
def _whole(model: Any, run: Run) -> list[torch.Tensor]:
    found: list[Any] = []
    model.encoder.register_forward_hook(lambda *call: found.append(call[-1]))
    run()
    return list(found[0][2])


@instead("one softmax over own and encoder's tokens; `attentions` split it", "t5gemma2")
def _merged(_: Any, run: Run) -> list[torch.Tensor]:
    fields = run()
    pairs = zip(fields["decoder_attentions"], fields["cross_attentions"], strict=True)
    return [*fields["encoder_attentions"], *(torch.cat(pair, -1) for pair in pairs)]


@instead("`attentions` are means over heads", "wavlm")
def _by_head(_: Any, run: Run) -> list[torch.Tensor]:
    found, real = [], F.multi_head_attention_forward

    def attend(*args: Any, **kwargs: Any) -> Any:
        output, weights = real(*args, **{**kwargs, "average_attn_weights": False})
        found.append(weights)
        return output, weights.mean(1)

    with mock.patch.object(F, "multi_head_attention_forward", attend):
        run()
    return found


@instead("`attentions` leave out the learned sink", "granite_swa", "granitemoe_swa")
def _with_sink(model: Any, run: Run) -> list[torch.Tensor]:
    found, file = [], sys.modules[type(model).__module__]
    real = file.eager_attention_forward

    def attend(module: Any, query: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        groups = query.shape[1] // key.shape[1]
        scores = query @ key.repeat_interleave(groups, 1).mT * kwargs["scaling"] + args[1]
        sink = module.sinks.reshape(1, -1, 1, 1).expand(*scores.shape[:3], 1)
        found.append(torch.cat([scores, sink], -1).softmax(-1)[..., :-1])
        return real(module, query, key, *args, **kwargs)

    with mock.patch.object(file, "eager_attention_forward", attend):
        run()
    return found


@instead("`attentions` are bands around each query", "longformer", "led")
def _of_bands(_: Any, run: Run) -> list[torch.Tensor]:
    fields = run()
    name = next(name for name in ("encoder_attentions", "attentions") if name in fields)
    bands = fields.pop(name)
    return [*map(_of_band, bands), *(one for listed in fields.values() for one in listed)]


def _of_band(band: torch.Tensor) -> torch.Tensor:
    _, _, n_query, columns = band.shape
    whole = torch.zeros(*band.shape[:2], n_query, n_query)
    for query in range(n_query):
        for column in range(columns):
            key = query + column - columns // 2
            if 0 <= key < n_query:
                whole[:, :, query, key] = band[:, :, query, column]
    return whole
