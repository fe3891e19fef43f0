"""What several commands share: how a text is given, captured, and a table printed."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from attnscope.errors import MissingDependencyError

if TYPE_CHECKING:
    from attnscope.measures import Table
    from attnscope.measures.compare import Comparison
    from attnscope.trace import Trace


def of_a_text(command: Callable[..., None]) -> Callable[..., None]:
    """What every command that captures a text takes."""
    for option in (
        click.option("--target", help="What the decoder of an encoder-decoder is given."),
        click.option("--pair", help="A second text: captured together, as sentence B."),
        click.option("--model", help="A model's folder, or its name on the hub."),
        click.argument("text"),
    ):
        command = option(command)
    return command


def to_file(what: str, help: str, *, required: bool = True) -> Callable[..., Any]:
    """The option -o for a file of this kind, `view`, `trace`, `written` or `figure`.

    What cannot be written there is said before a model runs, which may take hours.
    """
    kind = click.Path(dir_okay=False, path_type=Path)

    def check(_: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
        from attnscope.view import FIGURES, PAGES

        trace, picture = (".safetensors",), (*PAGES, *FIGURES)
        kinds = {"trace": trace, "figure": FIGURES, "view": picture, "written": picture + trace}
        if path is None:
            return None
        path = path.expanduser()
        if path.suffix.lower() not in kinds[what]:
            said = f"{path.name!r}: the suffix must be {_or(kinds[what])}"
            raise click.BadParameter(f"{said}, got {path.suffix or 'none'}.", None, option)
        if not path.absolute().parent.is_dir():
            raise click.BadParameter(f"there is no folder {path.parent}: make it.", None, option)
        return path

    return click.option("-o", "--output", type=kind, required=required, callback=check, help=help)


def _or(names: tuple[str, ...]) -> str:
    return " or ".join([*filter(None, [", ".join(names[:-1])]), names[-1]])


def check_where(output: Path | None, serve: bool, port: int) -> None:
    """Raise a usage error where a file is to be written and a server is asked for too."""
    if output is not None and (serve or port):
        asked = "--serve serves" if serve else "--port is where to serve"
        raise click.UsageError(f"-o writes a page and {asked}: give one of them.")


def view_options(view: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a view that were given; a usage error for one that it does not take."""
    from attnscope.shows import Shows

    options = {name: value for name, value in given.items() if value is not None}
    takes = set(options) if view is None else signature(getattr(Shows, f"{view}_view")).parameters
    for name in ("layer", "query", "stream"):
        if name in options and name not in takes:
            raise click.UsageError(f"--view {view} takes no --{name}.")
    if options.get("query", "").isdecimal():
        options["query"] = int(options["query"])
    return options


def in_a_form(command: Callable[..., None]) -> Callable[..., None]:
    """How a table may be printed."""
    as_json = click.option("--json", "form", flag_value="json", help="Print JSON.")
    as_csv = click.option("--csv", "form", flag_value="csv", help="Print comma-separated text.")
    return as_json(as_csv(command))


def as_table(command: Callable[..., None]) -> Callable[..., None]:
    """How a command that prints a table of heads may be asked to print it."""
    stream = click.option("--stream", help="encoder, decoder or cross, where there are several.")
    return stream(in_a_form(command))


def captured(
    model: str | None, text: str, pair: str | None, target: str | None, **recorded: bool
) -> Trace:
    """The trace of a text, or without a model the one in a file."""
    import attnscope
    from attnscope import pretrained

    if model is None:
        if not text.endswith(".safetensors") or pair or target:
            raise click.UsageError("give --model to capture a text, or a saved x.safetensors.")
        return attnscope.load(text)
    if text.endswith(".safetensors") and Path(text).is_file():
        raise click.UsageError(f"{text} is a saved trace, which needs no --model: leave it out.")
    quiet_transformers()
    if not pretrained.is_folder(model):
        places = "its cache"
        if not pretrained.is_offline():
            places += " and on the hub (HF_HUB_OFFLINE=1: in its cache alone)"
        click.echo(f"{model} is no folder here: transformers looks in {places}.", err=True)
    network, tokenizer = pretrained.load(model)
    return attnscope.capture(network, tokenizer, text, pair, target=target, **recorded)


def print_table(table: Table, form: str | None) -> None:
    """Print a table as `form` says: json, csv, or text."""
    if form == "json":
        click.echo(table.to_json())
    elif form == "csv":
        click.echo(table.to_csv(), nl=False)
    else:
        click.echo(table.to_text(len(table)))


def quiet_transformers() -> None:
    """Keep its load reports and bars off the screen, unless the user has asked for them."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def served(
    shown: Trace | Comparison,
    name: str | None,
    port: int,
    open_: bool,
    options: dict[str, Any],
) -> None:
    """Serve a trace or a comparison until Ctrl-C, and open it in the browser if asked."""
    try:
        from attnscope.hosts.server import serve
    except ImportError as cause:
        raise MissingDependencyError(
            "serving needs starlette and uvicorn: pip install 'attnscope[serve]'. Without them, "
            "-o out.html writes an offline page."
        ) from cause

    def tell(url: str) -> None:
        click.echo(f"attnscope serves this machine alone at\n  {url}\nCtrl-C stops it.")
        if open_:
            webbrowser.open(url)

    serve(shown, view=name, port=port, tell=tell, **options)
    click.echo("Stopped.")
