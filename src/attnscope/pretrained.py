"""Opens a Hugging Face model and its tokenizer from a folder, or by the name it has on the hub."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from attnscope.errors import InputError, MissingDependencyError

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def is_folder(name: str) -> bool:
    """Tell whether `name` means a folder here; False where it can only be a name on the hub.

    Raises:
        InputError: it is a path, but not that of a model's folder.
    """
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return True
    if folder.is_file():
        raise InputError(f"{name} is a file. Give the folder that holds config.json.")
    if folder.is_dir():
        raise InputError(
            f"{name} is no model folder: it has no config.json. "
            "Give the folder that model.save_pretrained() wrote."
        )
    if not _HUB_NAME.fullmatch(name) or name.startswith("."):
        raise InputError(f"{name} does not exist. Give the folder that holds config.json.")
    return False


def is_offline() -> bool:
    """Tell whether the user has set HF_HUB_OFFLINE, so that nothing is looked up on the hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def is_reachable() -> bool:
    """Tell whether the hub, or a proxy in front of it, may be there; transformers tries minutes."""
    if getproxies():
        return True
    host = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co").hostname
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def load(name: str, *, head: bool = False) -> tuple[Any, Any]:
    """Return (model, tokenizer), in evaluation mode and in the precision they were saved in.

    An encoder-decoder comes with its language-model head, so that it can be given a target; with
    `head` every model comes with the head that it was saved with. A name that is no folder is left
    to transformers, which looks in its cache and then, unless HF_HUB_OFFLINE is set, on the hub.

    Raises:
        InputError: no model is there, or transformers cannot read it.
        MissingDependencyError: transformers or torch is not installed.
    """
    folder = is_folder(name)
    target = str(Path(name).expanduser()) if folder else name
    alone = not (folder or is_offline() or is_reachable())
    try:
        import torch  # noqa: F401  (transformers alone imports, and fails later)
        import transformers
    except ImportError as error:
        raise MissingDependencyError(
            "Loading a model needs torch and transformers. Run: pip install 'attnscope[hf]'"
        ) from error
    try:
        config = transformers.AutoConfig.from_pretrained(target, local_files_only=alone)
        tokenizer = transformers.AutoTokenizer.from_pretrained(target, local_files_only=alone)
        two_stacks = getattr(config, "is_encoder_decoder", False)
        kind = transformers.AutoModelForSeq2SeqLM if two_stacks else transformers.AutoModel
        if head:
            saved = (getattr(config, "architectures", None) or [""])[0]
            named = getattr(transformers, saved, None)
            is_model = isinstance(named, type) and issubclass(named, transformers.PreTrainedModel)
            kind = named if is_model else kind
        model = kind.from_pretrained(target, local_files_only=alone)
    except Exception as error:  # of many libraries: safetensors, tokenizers, huggingface_hub
        said = str(error).strip().partition("\n")[0]
        where = " (in its cache alone: the hub cannot be reached)" if alone else ""
        raise InputError(f"transformers could not load {name}{where}: {said}") from error
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise InputError(
            f"{name} has no tokenizer: every word would be unknown. Put its files there "
            "(tokenizer.save_pretrained), or use attnscope.capture with a tokenizer of your own."
        )
    return model.eval(), tokenizer
