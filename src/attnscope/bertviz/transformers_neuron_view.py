"""The stock Transformers classes under the names that BertViz's neuron view needed.

BertViz brought changed copies of 2019's model code, because it read queries and keys out of them.
attnscope records them from any model, so these names are now Transformers' own classes, looked up
when they are used.
"""

from __future__ import annotations

from typing import Any

from attnscope.errors import AttnscopeError

FAMILIES = ("Bert", "GPT2", "OpenAIGPT", "Roberta", "TransfoXL", "XLM", "XLNet", "PreTrained")
ADVICE = {
    "_ARCHIVE_MAP": "pass the model's name on the hub, or its folder, to from_pretrained()",
    "load_tf_weights_": "load a checkpoint that was saved by PyTorch",
    "_CACHE": "set HF_HOME to choose where downloads are kept",
    "cached_path": "use huggingface_hub.hf_hub_download()",
    "TF_WEIGHTS_NAME": "load a checkpoint that was saved by PyTorch",
    "prune_layer": "leave heads out of a view with include_heads=",
    "Tokenizer": "use transformers.AutoTokenizer; attnscope's neuron view takes any tokenizer",
    "": "use transformers.AutoModel; attnscope's neuron view takes any model",
}


class GoneError(AttnscopeError, ImportError):
    """A name of 2019 that Transformers no longer has; the text says what to use."""


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return __dir__()
    if not name.startswith("_"):
        import transformers

        if hasattr(transformers, name):
            return getattr(transformers, name)
        marks = [mark for mark in ADVICE if mark and mark in name]
        if marks or name.startswith(FAMILIES):
            # Not an AttributeError: `from ... import name` would replace its text.
            raise GoneError(
                f"{name} is no longer in Transformers ({transformers.__version__} is installed): "
                f"{ADVICE[(marks or [''])[0]]}."
            )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    import transformers

    return sorted(name for name in dir(transformers) if name.startswith(FAMILIES))
