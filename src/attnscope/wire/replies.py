"""A data request of a view, answered with bytes: the one place where weights leave Python.

Every host asks here: the HTML host for all that its page can ask for, the widget when its page
asks. A kind of request is one entry in `ANSWERS`; nothing in a host depends on kinds.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from tqdm.auto import tqdm

from attnscope.errors import InputError
from attnscope.measures.difference import Difference
from attnscope.overview import overview
from attnscope.scores import QKLayer, vectors_of
from attnscope.stream import Stream
from attnscope.trace import Trace
from attnscope.wire.encode import (
    Encoded,
    deflate,
    encode,
    encode_range,
    encode_sqrt8,
    pack_arrays,
    thumbnails,
)
from attnscope.wire.limits import check_quantity, check_size, check_work, is_long
from attnscope.wire.parts import part_arrays
from attnscope.wire.rounded import rounded_arrays, stated
from attnscope.wire.spec import (
    ArraysMeta,
    LayerSpec,
    ReplyMeta,
    Request,
    Spec,
    StreamSpec,
    WordsSpec,
    is_share,
    key_of,
)
from attnscope.wire.steps import step_arrays, step_requests
from attnscope.wire.tiles import quantity_arrays, row_arrays, stream_of, tile_arrays


@dataclass(frozen=True)
class Reply:
    """gzip'd bytes and how to read them; of rounded vectors the bounds of their errors, too."""

    meta: ReplyMeta | ArraysMeta
    data: bytes
    errors: np.ndarray | None = None


NO_WORDS: WordsSpec = {"query": 0, "key": 0, "carried": False}


def requests_of(spec: Spec) -> list[Request]:
    """Every request that a page with this spec can make, in the order it will want them."""
    first: list[Request] = []
    then: list[Request] = []
    for stream in spec["streams"]:
        for request in _stream_requests(spec, stream):
            (first if request["kind"] == "thumbnails" else then).append(request)
    return first + then


def _stream_requests(spec: Spec, stream: StreamSpec) -> list[Request]:
    """What a page carries of one stream."""
    if "steps" in stream:
        heads = spec["carries"] != "means"
        return [] if "pair" in stream else step_requests(stream, heads=heads)
    found: list[Request] = []
    if stream["thumbnail"] is not None:
        found.append({"kind": "thumbnails", "stream": stream["name"]})
    for row in stream["layers"]:
        name, number = stream["name"], row["layer"]
        found += [
            {"kind": "quantity", "stream": name, "layer": number, "quantity": one["name"]}
            for one in stream.get("quantities", [])
            if one["carried"]
        ]
        if stream.get("words", NO_WORDS)["carried"]:
            found.append({"kind": "layer", "stream": name, "layer": number, "words": True})
        if _carries_weights(spec, stream, row):
            found.append({"kind": "layer", "stream": name, "layer": number})
        if _carries_vectors(spec, stream):
            found += _vector_requests(name, row, rounded="precision" in spec)
    return found


def _carries_weights(spec: Spec, stream: StreamSpec, row: LayerSpec) -> bool:
    """False where something else stands in their place, or the page makes them of something."""
    if "pair" in stream or ("rules" in row and ("part" in stream or spec["carries"] == "vectors")):
        return False
    names = [one["name"] for one in stream.get("quantities", [])]
    return not names or "weight" in names


def _carries_vectors(spec: Spec, stream: StreamSpec) -> bool:
    return "part" in stream or spec["carries"] != "weights"


def _vector_requests(stream: str, row: LayerSpec, rounded: bool = False) -> list[Request]:
    """What a layer's weights are made of: its queries and keys, and what only it adds or hides."""
    rules, number = row.get("rules"), row["layer"]
    if rules is None:
        return []
    found: list[Request] = [{"kind": "vectors", "stream": stream, "layer": number}]
    if rounded:
        found = [
            {"kind": "rounded", "stream": stream, "layer": number, "key_head": key_head}
            for key_head in dict.fromkeys(rules["key_head"])
        ]
    if rules["bias"] == number:
        found.append({"kind": "bias", "stream": stream, "layer": number})
    if rules["mask"] == number:
        found.append({"kind": "mask", "stream": stream, "layer": number})
    return found


def is_early(spec: Spec, request: Request) -> bool:
    """True for what a page needs for its first picture while the rest is on its way."""
    if request["kind"] == "thumbnails":
        return True
    state = spec["state"]
    if (request["stream"], request.get("layer")) != (state["stream"], state["layer"]):
        return False
    if request["kind"] != "rounded" or state["over"] != "head":
        return True
    return state["head"] in _row(_checked(spec, request), request)["heads"]


def answer(trace: Trace, spec: Spec, request: Request) -> Reply:
    """The bytes for one request; InputError where it does not fit the spec (pages: untrusted)."""
    shown = _checked(spec, request)
    stream = trace.stream(shown["name"])
    if request["kind"] == "thumbnails":
        check_work(stream, shown["layers"])
        return _thumbnails(_image(spec, stream, row, shown) for row in shown["layers"])
    if request["kind"] == "vectors" and "query" in request and "head" in request:
        return _arrays_reply(row_arrays(stream, _row(shown, request), request), level=1)
    if request["kind"] == "rows":
        for row in shown["layers"]:
            check_size(stream, row, "layer")
        return _arrays_reply(step_arrays(stream, shown, request))
    if request["kind"] == "part":
        return _arrays_reply(part_arrays(stream, _row(shown, request), request), level=1)
    if request["kind"] in ("tile", "quantity"):
        check_quantity(stream, request.get("quantity"))
        stream, row = stream_of(trace, shown, request), _row(shown, request)
        if request["kind"] == "quantity":
            check_size(stream, row, "quantity")
            return _arrays_reply(quantity_arrays(stream, row))
        return _arrays_reply(tile_arrays(stream, row, request), level=1)
    if request.get("words"):
        stream = stream_of(trace, shown, request)
    row = _row(shown, request)
    check_size(stream, row, request["kind"])
    return ANSWERS[request["kind"]](spec, stream, row)


def answers(trace: Trace, spec: Spec, *, progress: bool = False) -> list[tuple[Request, Reply]]:
    """Every request of the spec with its reply: packed side by side, each layer once."""
    pooled: dict[tuple[str, int], np.ndarray] = {}

    def work(request: Request) -> Reply:
        shown = _checked(spec, request)
        if request["kind"] != "layer" or request.get("words") or shown["thumbnail"] is None:
            return answer(trace, spec, request)
        check_size(trace.stream(shown["name"]), _row(shown, request), request["kind"])
        encoded = encoded_layer(spec, trace.stream(shown["name"]), _row(shown, request))
        pooled[shown["name"], request["layer"]] = _pooled(encoded, shown)
        return _weights_reply(encoded, encoded.packed())

    wanted = requests_of(spec)
    later = [request for request in wanted if request["kind"] != "thumbnails"]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        made = pool.map(work, later)
        bar = tqdm(made, total=len(later), desc="packing", disable=not progress, leave=False)
        replies = list(zip(later, bar, strict=True))
    early: list[tuple[Request, Reply]] = []
    for request in wanted[: len(wanted) - len(later)]:
        shown = _checked(spec, request)
        if "pair" in shown:
            early.append((request, answer(trace, spec, request)))
            continue
        images = (pooled[shown["name"], row["layer"]] for row in shown["layers"])
        early.append((request, _thumbnails(images)))
    return early + replies


def carried(
    trace: Trace, spec: Spec, *, progress: bool = False
) -> tuple[Spec, list[tuple[Request, Reply]]]:
    """What a page carries: every reply, and the spec, which then says how far off they are."""
    replies = answers(trace, spec, progress=progress)
    errors = [reply.errors for _, reply in replies if reply.errors is not None]
    return {**spec, "error": stated(errors)} if errors else spec, replies


def size_estimate(spec: Spec) -> int:
    """About how many bytes all replies have: a bit less than in the end."""
    bits = {"linear16": 7, "sqrt8": 3}[spec["encoding"]]
    total = 0.0
    for stream in spec["streams"]:
        query, key = (len(spec["sides"][stream[side]]["text"]) for side in ("query", "key"))
        if "steps" in stream and "pair" in stream:
            continue
        if "steps" in stream:
            total += sum(_n_planes(row, spec) for row in stream["layers"]) * query * key * 1.5
            continue
        words = stream.get("words", NO_WORDS)
        carried = [one["per"] for one in stream.get("quantities", []) if one["carried"]]
        for row in stream["layers"]:
            rules = row.get("rules")
            planes = sum(len(row["heads"]) if per == "head" else 1 for per in carried)
            total += planes * query * key * 1.5
            if words["carried"]:
                sizes = (len(spec["sides"][words[side]]["text"]) for side in ("query", "key"))
                total += len(row["heads"]) * math.prod(sizes) * bits // 8
            if _carries_weights(spec, stream, row):
                total += len(row["heads"]) * query * key * bits // 8
            if rules is not None and _carries_vectors(spec, stream):
                numbers = len(row["heads"]) * query + len(set(rules["key_place"])) * key
                kept = "int8" if "precision" in spec else rules["dtype"]
                total += numbers * rules["dim"] * {"float32": 3.3, "int8": 1.0}.get(kept, 1.6)
                total += (rules["bias"] == row["layer"]) * len(row["heads"]) * query * key * 3.3
    return int(total)


def _n_planes(row: LayerSpec, spec: Spec) -> int:
    """The mean over the heads of a layer, and the heads themselves where they are carried."""
    return 1 + (len(row["heads"]) if spec["carries"] != "means" else 0)


def _checked(spec: Spec, request: Request) -> StreamSpec:
    """The stream that a request is about, if the view may ask for it."""
    if request.get("kind") not in KINDS:
        raise InputError(f"the page asked for {request.get('kind')!r}: expected one of {KINDS}.")
    for stream in spec["streams"]:
        if stream["name"] == request.get("stream"):
            break
    else:
        raise InputError(
            f"the page asked for stream {request.get('stream')!r}, which is not shown."
        )
    if request["kind"] in ("tile", "part"):
        known = {row["layer"] for row in stream["layers"]}
        fits = type(request.get("layer")) is int and request["layer"] in known
    else:
        asked = {key_of(one) for one in _stream_requests(spec, stream)}
        rows = stream["layers"]
        asked |= {key_of(one) for row in rows for one in _vector_requests(stream["name"], row)}
        if "steps" in stream:
            asked |= {key_of(one) for one in step_requests(stream, heads=True)}
        plain = {name: request[name] for name in PLAIN if name in request}  # type: ignore[literal-required]
        texts = any(isinstance(request.get(name), str) for name in ("layer", "key_head"))
        fits = not texts and key_of(plain) in asked  # type: ignore[arg-type]
    if not fits:
        about = f" of layer {request['layer']!r}" if "layer" in request else ""
        raise InputError(
            f"the page asked for {request['kind']}{about}, which this view does not show."
        )
    return stream


def _row(shown: StreamSpec, request: Request) -> LayerSpec:
    """The layer asked for; rounded, with the heads that one of its key heads serves."""
    row = next(row for row in shown["layers"] if row["layer"] == request["layer"])
    if request["kind"] != "rounded":
        return row
    pairs = zip(row["heads"], row["rules"]["key_head"], strict=True)
    return {**row, "heads": [head for head, key_head in pairs if key_head == request["key_head"]]}


def encoded_layer(spec: Spec, stream: Stream, row: LayerSpec) -> Encoded:
    """The codes of a layer's shown heads; of a comparison, what they gained and then lost."""
    places, layer = stream.places(row["layer"], row["heads"]), stream.layer(row["layer"])
    shown = next(one for one in spec["streams"] if one["name"] == stream.name)
    if "pair" in shown and isinstance(layer, Difference):
        return encode(layer.halves(places), spec["encoding"])
    rows = layer.rows(places)
    return encode(rows, spec["encoding"]) if is_share(shown) else encode_range(rows)


def _layer(spec: Spec, stream: Stream, row: LayerSpec) -> Reply:
    encoded = encoded_layer(spec, stream, row)
    return _weights_reply(encoded, encoded.packed())


def _pooled(encoded: Encoded, shown: StreamSpec) -> np.ndarray:
    """A layer's thumbnails, in the size that the stream's spec names."""
    assert shown["thumbnail"] is not None
    height, width = shown["thumbnail"]
    return thumbnails(encoded, (height, width))


def _image(spec: Spec, stream: Stream, row: LayerSpec, shown: StreamSpec) -> np.ndarray:
    """A layer's thumbnails: from overviews where heads are long, else from all weights."""
    layer = stream.layer(row["layer"])
    if not is_long(layer):
        return _pooled(encoded_layer(spec, stream, row), shown)
    assert isinstance(layer, QKLayer)
    assert shown["thumbnail"] is not None
    places = stream.places(row["layer"], row["heads"])
    largest = np.stack([overview(layer, place).max for place in places]).astype(np.float32)
    height, width = shown["thumbnail"]
    return thumbnails(encode_sqrt8(np.nan_to_num(largest)), (height, width))


def _thumbnails(images: Iterable[np.ndarray]) -> Reply:
    stacked = Encoded(np.concatenate(list(images)), "sqrt8", 0.5)
    return _weights_reply(stacked, deflate(stacked.codes))


def _weights_reply(encoded: Encoded, data: bytes) -> Reply:
    meta: ReplyMeta = {
        "shape": list(encoded.codes.shape),
        "encoding": encoded.encoding,
        "codec": "gzip",
        "spread": encoded.spread,
    }
    if encoded.range is not None:
        meta["range"] = list(encoded.range)
    return Reply(meta, data)


def _vectors(_: Spec, stream: Stream, row: LayerSpec) -> Reply:
    """`queries` [head, query, dim], `keys` [key head, key, dim] as stored; small masks, sinks."""
    layer, places = _with_vectors(stream, row)
    named = {
        "queries": layer.queries[places],
        "keys": layer.keys[layer.kv_places(places)],
        **_extras(layer, places),
    }
    return _arrays_reply(named)


def _rounded(_: Spec, stream: Stream, row: LayerSpec) -> Reply:
    """Queries and keys in eight bits a number (see `rounded_arrays`); small masks, sinks."""
    layer, places = _with_vectors(stream, row)
    named = rounded_arrays(layer, places, row["layer"])
    reply = _arrays_reply({**named, **_extras(layer, places)}, level=1)
    return replace(reply, errors=named["errors"])


def _extras(layer: QKLayer, places: list[int]) -> dict[str, np.ndarray]:
    """What also enters the scores of a layer's heads, and is small."""
    named: dict[str, np.ndarray] = {}
    if layer.spec.sinks is not None:
        named["sinks"] = layer.spec.sinks[places].astype(np.float32)
    if layer.spec.keys is not None:
        named["seen"] = layer.spec.keys.astype(np.uint8)
    return named


def _bias(_: Spec, stream: Stream, row: LayerSpec) -> Reply:
    """`bias` [1 or head, query, key], float32."""
    layer, places = _with_vectors(stream, row)
    bias = layer.bias_of(places)
    assert bias is not None
    return _arrays_reply({"bias": bias.astype(np.float32, copy=False)})


def _mask(_: Spec, stream: Stream, row: LayerSpec) -> Reply:
    """`mask` [query, key]: 1 where visible."""
    layer, _places = _with_vectors(stream, row)
    assert layer.spec.visible is not None
    return _arrays_reply({"mask": layer.spec.visible.astype(np.uint8)})


def _with_vectors(stream: Stream, row: LayerSpec) -> tuple[QKLayer, list[int]]:
    layer = vectors_of(stream.layer(row["layer"]))
    assert layer is not None
    return layer, stream.places(row["layer"], row["heads"])


def _arrays_reply(named: Mapping[str, np.ndarray], level: int = 6) -> Reply:
    specs, data = pack_arrays(named, level)
    return Reply({"codec": "gzip", "arrays": specs}, data)


ANSWERS: Mapping[str, Callable[[Spec, Stream, LayerSpec], Reply]] = {
    "layer": _layer,
    "vectors": _vectors,
    "rounded": _rounded,
    "bias": _bias,
    "mask": _mask,
}
PLAIN = ("kind", "stream", "layer", "key_head", "quantity", "words")
"""What names a reply that a page can carry."""
KINDS = ("thumbnails", "rows", "tile", "part", "quantity", *ANSWERS)
