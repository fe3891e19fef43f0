"""`attnscope compare`, `ablate`, `sources`: what changes with another text, or without a part.

For scripts: they exit with 1 where more has changed than was allowed, or something else than was
asked for has the largest effect; with 2 for an error, which is one line on stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from attnscope.cli_generate import size_text
from attnscope.cli_options import (
    as_table,
    captured,
    check_where,
    in_a_form,
    of_a_text,
    print_table,
    quiet_transformers,
    served,
)  # fmt: skip

if TYPE_CHECKING:
    from attnscope.measures.compare import Comparison
    from attnscope.measures.table import Table


@click.command("compare")
@of_a_text
@click.argument("other", required=False)
@as_table
@click.option("--with", "other_model", help="A second model, for the second text.")
@click.option("--most", type=float, help="Exit with 1 where a head has changed more, 0..1.")
@click.option(
    "--view",
    "name",
    type=click.Choice(["head", "model", "matrix", "text", "heads"]),
    help="Show both side by side in this view: in the browser, or as a page with -o.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write out.html."
)
@click.option("--serve", is_flag=True, help="Serve on this machine until Ctrl-C; do not open.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Serve on this port.")
@click.pass_context
def compare_command(
    ctx: click.Context,
    text: str,
    other: str | None,
    model: str | None,
    other_model: str | None,
    pair: str | None,
    target: str | None,
    stream: str | None,
    form: str | None,
    most: float | None,
    name: str | None,
    output: Path | None,
    serve: bool,
    port: int,
) -> None:
    """Say which heads change most from TEXT to OTHER, or from one model to another.

    With --view, -o or --serve it shows both side by side instead, and their difference.

    Exit code: 0; 1 where --most is given and a head has changed more; 2 for an error.
    """
    import attnscope

    check_where(output, serve, port)
    if other is None and other_model is None:
        raise click.UsageError("nothing to compare with: give a second text, or --with a model.")
    a = captured(model, text, pair, target)
    b = captured(other_model or model, text if other is None else other, pair, target)
    comparison = attnscope.compare(a, b)
    if name is not None or output is not None or serve:
        _show(comparison, name, output, serve, port)
        return
    table = comparison.heads(stream=stream)
    if form is None:
        click.echo(f"{comparison}\n")
    print_table(table, form)
    if most is not None and table["change"][0] > most:
        layer, head, change = (table[name][0] for name in ("layer", "head", "change"))
        click.echo(f"head {layer}.{head} has changed by {change:.3f}, more than {most}.", err=True)
        ctx.exit(1)


def _show(
    comparison: Comparison, name: str | None, output: Path | None, serve: bool, port: int
) -> None:
    from attnscope.views.base import is_long

    if output is None:
        served(comparison, name, port, not serve, {})
        return
    chosen = name or ("matrix" if is_long(comparison.difference) else "head")
    path = Path(getattr(comparison, f"{chosen}_view")().save(output))
    click.echo(f"{path}  {size_text(path.stat().st_size)}")


def _cells(_: click.Context, option: click.Parameter, value: str | None) -> Any:
    """Heads with dots in them and commas between: 2.3,5.0."""
    if value is None:
        return None
    try:
        pairs = [tuple(int(part) for part in cell.split(".")) for cell in value.split(",")]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no list of layer.head such as 2.3,5.0", None, option
        ) from None
    return pairs


def _words(_: click.Context, __: click.Parameter, value: str | None) -> Any:
    """Positions or words with commas between them."""
    if value is None:
        return None
    return [int(part) if part.isdecimal() else part for part in value.split(",")]


@click.command("ablate")
@click.argument("text")
@click.option("--model", required=True, help="A model's folder, or its name on the hub.")
@click.option("--target", help="What the decoder of an encoder-decoder is given.")
@click.option("--heads", callback=_cells, metavar="2.3,5.0", help="Heads, as layer.head.")
@click.option("--mode", type=click.Choice(["zero", "mean", "uniform", "resample"]), default=None)
@click.option("--keys", callback=_words, metavar="cat,7", help="Hide these words or positions.")
@click.option(
    "-k",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How many predictions, or heads.",
)
@click.option("--most", type=float, help="Exit with 1 where the first row changes more, 0..1.")
@as_table
@click.pass_context
def ablate_command(
    ctx: click.Context,
    text: str,
    model: str,
    target: str | None,
    heads: Any,
    mode: str | None,
    keys: Any,
    stream: str | None,
    k: int,
    most: float | None,
    form: str | None,
) -> None:
    """Say what a model makes of TEXT without some heads, or without seeing some words.

    For a model with logits: the most probable tokens before and after. For one without: the heads
    that attend to something else then.

    Exit code: 0; 1 where --most is given and the first row has changed more; 2 for an error.
    """
    import attnscope
    from attnscope.pretrained import load

    quiet_transformers()
    network, tokenizer = load(model, head=True)
    trace = attnscope.capture(network, tokenizer, text, target=target)
    options = {"heads": heads, "mode": mode, "keys": keys, "stream": stream, "tokens": trace}
    edit = attnscope.ablate(network, **options)
    if _has_logits(network):
        table = _predicted(network, tokenizer, text, target, edit, k)
    else:
        with edit:
            after = attnscope.capture(network, tokenizer, text, target=target)
        table = attnscope.compare(trace, after).heads(stream=stream).take(slice(k))
    print_table(table, form)
    changed = abs(float(table["change"][0]))
    if most is not None and changed > most:
        click.echo(f"the first row has changed by {changed:.3f}, more than {most}.", err=True)
        ctx.exit(1)


def _has_logits(network: Any) -> bool:
    kind = type(network).__name__
    return "For" in kind or "LMHead" in kind


def _predicted(
    network: Any, tokenizer: Any, text: str, target: str | None, edit: Any, k: int
) -> Table:
    """The most probable tokens before and after, in columns `before`, `after` and `change`."""
    import attnscope
    from attnscope.measures.table import Table

    everything = sys.maxsize
    before = attnscope.predictions(network, tokenizer, text, k=everything, target=target)
    with edit:
        after = attnscope.predictions(network, tokenizer, text, k=everything, target=target)
    parts: dict[str, list[Any]] = {name: [] for name in ("position", "token", "before", "after")}
    for place in dict.fromkeys(before["position"].tolist()):
        here, there = (one.take(one["position"] == place) for one in (before, after))
        now = dict(zip(there["id"].tolist(), there["probability"].tolist(), strict=True))
        shown = {*here["id"][:k].tolist(), *there["id"][:k].tolist()}
        for row in here.take(np.isin(here["id"], list(shown))).rows():
            parts["position"].append(place)
            parts["token"].append(row["token"])
            parts["before"].append(row["probability"])
            parts["after"].append(now[row["id"]])
    change = np.array(parts["after"]) - np.array(parts["before"])
    return Table({**parts, "change": change})


@click.command("sources")
@click.argument("prompt")
@click.option("--model", required=True, help="A model's folder, or its name on the hub.")
@click.option("--answer", help="The text that follows; without it, what the model writes.")
@click.option("--marker", "markers", multiple=True, required=True, metavar="'[1]'",
              help="A string that a part begins with; give one for each part.")  # fmt: skip
@click.option("--max-new-tokens", type=click.IntRange(1), default=32, show_default=True)
@click.option("--per", type=click.Choice(["answer", "token"]), default="answer", show_default=True)
@click.option("--from", "wanted", metavar="'[1]'", help="Exit with 1 unless this part's effect is "
              "the largest.")  # fmt: skip
@in_a_form
@click.pass_context
def sources_command(
    ctx: click.Context,
    prompt: str,
    model: str,
    answer: str | None,
    markers: tuple[str, ...],
    max_new_tokens: int,
    per: str,
    wanted: str | None,
    form: str | None,
) -> None:
    """Say which parts of PROMPT (- for stdin), such as retrieved chunks, an answer comes from.

    Share of attention, share in what is moved, and what the answer's log-probability (nats) loses
    without the part.

    Exit code: 0; 1 where --from is given and another part has the largest effect; 2 for an error.
    """
    import attnscope
    from attnscope.capture.answers.sources import over_answer
    from attnscope.pretrained import load

    if wanted is not None and wanted not in markers:
        raise click.BadParameter(f"{wanted!r} is no --marker.", param_hint="'--from'")
    quiet_transformers()
    text = sys.stdin.read().rstrip("\n") if prompt == "-" else prompt
    options: dict[str, Any] = {"markers": markers, "max_new_tokens": max_new_tokens}
    network, tokenizer = load(model, head=True)
    table = attnscope.sources(network, tokenizer, text, answer, **options, per="token")
    whole = over_answer(table)
    print_table(whole if per == "answer" else table, form)
    largest = str(whole["part"][np.argmax(whole["effect"])])
    if wanted is not None and largest != wanted.strip():
        click.echo(f"the answer comes from {largest!r} rather than {wanted!r}.", err=True)
        ctx.exit(1)
