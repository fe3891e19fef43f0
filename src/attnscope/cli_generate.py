"""`attnscope generate`: let a model write, and show what it looked at for every token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from attnscope.cli_options import to_file


@click.command("generate")
@click.argument("prompt")
@click.option("--model", required=True, help="A model's folder, or its name on the hub.")
@click.option("--chat", is_flag=True, help="Give the prompt to the model's chat template.")
@click.option("--system", help="A system message; it makes a chat of the prompt.")
@click.option("--max-new-tokens", type=click.IntRange(1), default=60, show_default=True)
@click.option("--values", is_flag=True, help="Keep values too, for norm, alti, contribution, ...")
@click.option("--theme", type=click.Choice(["auto", "light", "dark"]), default="auto")
@to_file("written", "out.html, .pdf, .svg, .png, or x.safetensors.")
def generate_command(
    prompt: str,
    model: str,
    chat: bool,
    system: str | None,
    max_new_tokens: int,
    values: bool,
    theme: Any,
    output: Path,
) -> None:
    """Let a model go on from PROMPT; write what it looked at as an offline page, or save it."""
    import attnscope
    from attnscope import pretrained
    from attnscope.cli_options import quiet_transformers

    quiet_transformers()
    network, tokenizer = pretrained.load(model, head=True)
    given: Any = prompt
    if chat or system is not None:
        given = [{"role": "user", "content": prompt}]
        given = [*([{"role": "system", "content": system}] if system else []), *given]
    options: Any = {"max_new_tokens": max_new_tokens, "values": values}
    trace = attnscope.generate(network, tokenizer, given, **options)
    click.echo(trace.generation.text if trace.generation else "")
    saved = output.suffix == ".safetensors"
    path = trace.save(output) if saved else trace.generation_view(theme=theme).save(output)
    click.echo(f"{path}  {size_text(path.stat().st_size)}")


def size_text(count: int) -> str:
    """Bytes as people read them: 87 KB, 2.1 MB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} KB"
