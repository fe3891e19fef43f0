"""The command line. Every command is a few lines: the work is in library functions."""

from __future__ import annotations

import json
import time
import warnings
import webbrowser
from pathlib import Path
from typing import Any, Literal

import click

from attnscope.cli_generate import generate_command, size_text
from attnscope.cli_options import (
    as_table,
    captured,
    check_where,
    of_a_text,
    print_table,
    quiet_transformers,
    served,
    to_file,
    view_options,
)
from attnscope.cli_plot import TAKES, options_of, write_figure
from attnscope.cli_what_if import ablate_command, compare_command, sources_command
from attnscope.errors import AttnscopeError, AttnscopeWarning
from attnscope.wire.spec import ViewName


class _Group(click.Group):
    """Shows attnscope's own errors as one line; every other error keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with warnings.catch_warnings():
                _speak_warnings()
                return super().invoke(ctx)
        except AttnscopeError as error:
            click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)
            ctx.exit(2)


def _numbers(_: click.Context, option: click.Parameter, value: str | None) -> list[int] | None:
    """Layer or head numbers with commas between them: 0,5."""
    try:
        return None if value is None else [int(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no list of numbers such as 0,5", None, option
        ) from None


_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="attnscope")
def main() -> None:
    """Show what the attention heads of a Transformer do."""


main.add_command(compare_command)
main.add_command(ablate_command)
main.add_command(sources_command)
main.add_command(generate_command)


@main.command("demo")
@click.option("--out", type=_FOLDER, default="demo", show_default=True, help="Where to write.")
@click.option("--open/--no-open", "open_", default=False, help="Open the first page.")
def demo_command(out: Path, open_: bool) -> None:
    """Capture real sentences with a real model (MiniLM) and write pages to look at."""
    from attnscope import demo

    quiet_transformers()
    start = time.perf_counter()
    click.echo("Loading MiniLM and capturing two texts ...")
    pages = demo.run(out, report=_print_made)
    click.echo(f"Made {len(pages)} pages in {time.perf_counter() - start:.1f} s, model included.")
    click.echo("They need no server and no network: open them in any browser.")
    if open_:
        webbrowser.open(pages[0].path.resolve().as_uri())


@main.command("view")
@of_a_text
@click.option(
    "--view",
    "name",
    type=click.Choice(["head", "model", "matrix", "heads", "neuron", "generation", "text"]),
    help="Which view; without it, the one that suits the trace.",
)
@click.option("--layers", callback=_numbers, metavar="0,5", help="Only these layers.")
@click.option(
    "--heads", callback=_numbers, metavar="0,3", help="Only these heads (head view: switched on)."
)
@click.option("--layer", type=int, help="The layer shown first.")
@click.option("--query", help="The query shown first: its text, or its position.")
@click.option("--stream", help="encoder, decoder or cross: the one shown first.")
@click.option("--theme", type=click.Choice(["auto", "light", "dark"]), default="auto")
@to_file("view", "Write out.html, or .pdf, .svg, .png; do not serve.", required=False)
@click.option("--serve", is_flag=True, help="Serve on this machine until Ctrl-C; do not open.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Serve on this port.")
def view_command(
    text: str,
    model: str | None,
    pair: str | None,
    target: str | None,
    name: ViewName | None,
    output: Path | None,
    serve: bool,
    port: int,
    **options: Any,
) -> None:
    """Show a saved trace, or capture TEXT with a model and show that.

    TEXT is a text with --model, else a file that trace.save() or `attnscope capture` wrote. The
    views are served to this machine alone and opened in the browser; -o writes one offline page.
    """
    from attnscope.views.base import suited_view

    check_where(output, serve, port)
    view_options(name, options)  # what does not fit is said before a model runs
    trace = captured(model, text, pair, target)
    chosen = name or suited_view(trace)
    given = view_options(chosen, options)
    if output is None:
        served(trace, name, port, not serve, given)
        return
    path = Path(getattr(trace, f"{chosen}_view")(**given).save(output))
    click.echo(f"{path}  {size_text(path.stat().st_size)}")


@main.command("capture")
@of_a_text
@to_file("trace", "The file, e.g. x.safetensors.")
@click.option("--dtype", type=click.Choice(["float16", "float32"]), help="Other than recorded.")
@click.option("--overviews/--no-overviews", default=None, help="Compute every head's map now.")
@click.option("--values", is_flag=True, help="Keep values too, for norm, alti, contribution, ...")
def capture_command(
    text: str,
    model: str | None,
    pair: str | None,
    target: str | None,
    output: Path,
    dtype: Literal["float16", "float32"] | None,
    overviews: bool | None,
    values: bool,
) -> None:
    """Capture TEXT with a model and save the trace: `attnscope view FILE` shows it."""
    trace = captured(model, text, pair, target, **({"values": True} if values else {}))
    path = trace.save(output, dtype=dtype, overviews=overviews)
    click.echo(f"{trace}\n{path}  {size_text(path.stat().st_size)}")


@main.command("plot")
@of_a_text
@click.option("--figure", type=click.Choice(list(TAKES)), default="head", show_default=True)
@click.option("--layer", type=int, help="The layer.")
@click.option("--head", type=int, help="The head; without it, the mean over the layer's.")
@click.option("--query", help="A query to single out: its text, or its position.")
@click.option("--measure", help="What to measure, e.g. entropy.")
@click.option("--stream", help="encoder, decoder or cross, where there are several.")
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light")
@click.option("--width", type=click.FloatRange(1, 60), help="Inches.")
@click.option("--dpi", type=click.FloatRange(10, 2400), default=200, show_default=True)
@to_file("figure", "out.pdf, out.svg or out.png.")
def plot_command(
    text: str,
    model: str | None,
    pair: str | None,
    target: str | None,
    figure: str,
    dpi: float,
    output: Path,
    **options: Any,
) -> None:
    """Draw a figure for a paper: one head, all of a layer, a measure of every head, ..."""
    taken = options_of(figure, options)
    path = write_figure(captured(model, text, pair, target), figure, taken, output, dpi)
    click.echo(f"{path}  {size_text(path.stat().st_size)}")


@main.command("heads")
@of_a_text
@as_table
@click.option("--measure", "names", multiple=True, help="A measure, e.g. entropy; may be repeated.")
@click.option("--words", is_flag=True, help="Over words instead of tokens.")
@click.option("--sort", help="A column to sort by, largest first, e.g. previous_token.")
def heads_command(
    text: str,
    model: str | None,
    pair: str | None,
    target: str | None,
    stream: str | None,
    form: str | None,
    names: tuple[str, ...],
    words: bool,
    sort: str | None,
) -> None:
    """Measure every head on TEXT: entropy, distance, patterns."""
    from attnscope.measures.heads import OF_VALUES

    trace = captured(model, text, pair, target, values=bool(OF_VALUES & set(names)))
    table = (trace.words() if words else trace).heads(names or None, stream=stream)
    print_table(table.sort(sort) if sort else table, form)


@main.command("top")
@of_a_text
@as_table
@click.option("--query", required=True, help="The query: its text, or its position.")
@click.option("--layer", type=int, help="One layer; without it, the mean over all.")
@click.option("--head", type=int, help="One head; without it, the mean over all.")
@click.option("--quantity", default="weight", show_default=True, help="norm, rollout, alti, ...")
@click.option("--words", is_flag=True, help="Over words instead of tokens (weight, rollout, flow).")
@click.option("-k", type=int, default=5, show_default=True, help="How many keys.")
def top_command(
    text: str,
    model: str | None,
    pair: str | None,
    target: str | None,
    stream: str | None,
    form: str | None,
    query: str,
    layer: int | None,
    head: int | None,
    quantity: str,
    words: bool,
    k: int,
) -> None:
    """Say which tokens of TEXT a query attends to most."""
    from attnscope.measures import QUANTITIES
    from attnscope.measures.known import known

    needs = QUANTITIES[known("quantity", quantity, QUANTITIES)].needs
    trace = captured(model, text, pair, target, **({needs: True} if needs else {}))
    place = int(query) if query.isdecimal() else query
    shown = trace.words() if words else trace
    where: Any = {"layer": layer, "head": head, "stream": stream}
    print_table(shown.top(place, k, quantity=quantity, **where), form)


@main.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def doctor_command(ctx: click.Context, as_json: bool) -> None:
    """Say what is installed, and what is missing for what."""
    from attnscope import doctor

    found = doctor.checks()
    if as_json:
        click.echo(json.dumps(doctor.as_json(found), indent=2))
    else:
        _print_checks(found)
        click.echo(f"\n{doctor.verdict(found)}")
    ctx.exit(0 if doctor.as_json(found)["ok"] else 1)


def _print_made(made: Any) -> None:
    size, seconds = size_text(made.bytes), f"{made.seconds:.2f} s"
    click.echo(f"  {made.path!s:<20} {size:>8} {seconds:>8}   {made.about}")


def _print_checks(found: list[Any]) -> None:
    signs = {"ok": ("✓", "green"), "missing": ("·", "yellow"), "broken": ("✗", "red")}
    width = max(len(check.name) for check in found)
    group = ""
    for check in found:
        if check.group != group:
            group = check.group
            click.secho(f"\n{group}", bold=True)
        sign, colour = signs[check.state]
        detail = check.detail if check.state == "ok" else f"{check.state}: {check.detail}"
        click.echo(f"  {click.style(sign, fg=colour)} {check.name:<{width}}  {detail}")


def _speak_warnings() -> None:
    """Print attnscope's warnings as one line each; leave the others as they are."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
        if issubclass(category, AttnscopeWarning):
            click.echo(f"{click.style('warning:', fg='yellow')} {message}", err=True)
        else:
            usual(message, category, *rest, **named)

    warnings.showwarning = show
