"""What a Trace can be shown as: one method a view.

A view's options are described here, checked in `views/`, and make a `View`, which knows its hosts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

if TYPE_CHECKING:
    from attnscope.trace import Trace
    from attnscope.view import View
    from attnscope.views.display import Display
    from attnscope.views.text import TextOptions
    from attnscope.wire.spec import Theme


class Shows:
    """The views of a Trace, which has them from here."""

    @property
    def _trace(self) -> Trace:
        return cast("Trace", self)

    def head_view(
        self,
        layer: int | None = None,
        heads: int | Sequence[int] | None = None,
        *,
        query: int | str | None = None,
        layers: int | Sequence[int] | None = None,
        stream: str | None = None,
        theme: Theme = "auto",
        **display: Unpack[Display],
    ) -> View:
        """One layer, several heads as coloured lines between query and key tokens.

        A long input (docs/long-inputs.md) shows a part at a time: only its weights are computed.

        Args:
            layer: the layer shown first (None: the first).
            heads: the heads switched on first, a number or several (None: all).
            query: position or text of a query token that is pinned (None: none).
            layers: the layers to choose from, a number or several (None: all).
            stream: the stream shown first (None: the first).
            theme: `light`, `dark`, or `auto` to follow the page.
            **display: `mean`, `sort`, `hide_special`, `renormalise`, `threshold`; see
                `attnscope.views.display.Display`. `mean=True` shows the mean alone unless `heads`
                names some.
        """
        from attnscope.view import View
        from attnscope.views.head import head_view

        spec = head_view(
            self._trace, layer, heads, query=query, layers=layers, stream=stream, theme=theme,
            **display,
        )  # fmt: skip
        return View(self._trace, spec)

    def model_view(
        self,
        layers: int | Sequence[int] | None = None,
        heads: int | Sequence[int] | None = None,
        *,
        stream: str | None = None,
        cells: str = "auto",
        theme: Theme = "auto",
        **display: Unpack[Display],
    ) -> View:
        """Every layer and head at a glance; a click opens one.

        Args:
            layers: the layers shown, as rows in this order (None: all).
            heads: the heads shown, as columns (None: all).
            stream: the stream shown first (None: the first).
            cells: `lines`, `heat`, or `auto`: lines up to 64 tokens, heat maps above.
            theme: `light`, `dark`, or `auto` to follow the page.
            **display: `mean` (as one more column), `sort` (within each row), `hide_special`,
                `renormalise`, `threshold`; see `attnscope.views.display.Display`.
        """
        from attnscope.view import View
        from attnscope.views.model import model_view

        spec = model_view(
            self._trace, layers, heads, stream=stream, cells=cells, theme=theme, **display
        )
        return View(self._trace, spec)

    def text_view(
        self,
        query: int | str | None = None,
        *,
        layer: int | str = "all",
        head: int | str = "mean",
        quantity: str | Sequence[str] = "weight",
        stream: str | None = None,
        theme: Theme = "auto",
        **options: Unpack[TextOptions],
    ) -> View:
        """The text as it runs, each token shaded by the attention it gets.

        Point at a token to see what it attends to, or who attends to it. The page carries every
        layer and head, to choose from; above 40 million weights only what is asked for here, and
        a long input (docs/long-inputs.md) a part at a time.

        Args:
            query: the query whose row is shown first, by position or text (None: the mean of all).
            layer: the layer shown first, or `all` for the mean over all.
            head: the head shown first, or `mean` or `max` over the layer's heads.
            quantity: what is shown of each pair: one of `measures.QUANTITIES` (`weight`, `rollout`,
                `alti`, `gradient`, ...), or a list of them to switch among on the page, the first
                shown first.
            stream: the stream shown first (None: the first).
            theme: `light`, `dark`, or `auto` to follow the page.
            **options: `column`, `words`, `hide_special`, `renormalise`, `layers`, `heads`; see
                `attnscope.views.text.TextOptions`.

        Raises:
            InputError: for a query, layer, head, stream or quantity that is not there.
        """
        from attnscope.view import View
        from attnscope.views.text import text_view

        where: Any = {"stream": stream, "theme": theme}
        shown = text_view(self._trace, query, layer, head, quantity, **where, **options)
        return View(*shown)

    def neuron_view(
        self,
        layer: int | None = None,
        head: int | None = None,
        query: int | str | None = None,
        *,
        layers: int | Sequence[int] | None = None,
        heads: int | Sequence[int] | None = None,
        stream: str | None = None,
        theme: Theme = "auto",
    ) -> View:
        """One head from query and key vectors to weights, every step of the sum to be seen.

        It starts as lines between query and key tokens; a token's ⊕ shows its neurons.

        Args:
            layer: the layer shown first (None: the first).
            head: the head shown first (None: the first).
            query: position or text of a query token whose neurons are shown at once (None: lines
                first).
            layers: the layers to choose from (None: all).
            heads: the heads to choose from (None: all).
            stream: the stream shown first (None: the first).
            theme: `light`, `dark`, or `auto` to follow the page.

        Raises:
            InputError: for a layer, head, query or stream that is not there, or where the trace
                holds weights only: `attnscope.capture` records queries and keys.
        """
        from attnscope.view import View
        from attnscope.views.neuron import neuron_view

        spec = neuron_view(
            self._trace, layer, head, query, layers=layers, heads=heads, stream=stream, theme=theme
        )
        return View(self._trace, spec)

    def image_view(
        self,
        image: Any,
        layer: int | None = None,
        heads: int | Sequence[int] | None = None,
        *,
        query: int | None = None,
        grid: tuple[int, int] | None = None,
        layers: int | Sequence[int] | None = None,
        stream: str | None = None,
        theme: Theme = "auto",
    ) -> View:
        """A picture, and over it which patches a patch or [CLS] looks at, or is looked at by.

        Args:
            image: the picture as the model saw it (resized, cropped): a PIL image, the name of a
                file, an array or tensor; `inputs["pixel_values"][0]` will do.
            layer: the layer shown first (None: the first).
            heads: the heads switched on first (None: all, as their mean).
            query: place of the query shown first (None: the first token, usually [CLS]).
            grid: (rows, columns) of the patches, where the capture could not tell.
            layers: the layers to choose from (None: all).
            stream: the stream shown (None: the first one made of patches).
            theme: `light`, `dark`, or `auto` to follow the page.

        Raises:
            InputError: for an image that is none, or tokens that are not patches.
        """
        from attnscope.view import View
        from attnscope.views.image import image_view

        options: Any = {"query": query, "grid": grid, "layers": layers, "stream": stream}
        return View(
            self._trace, image_view(self._trace, image, layer, heads, theme=theme, **options)
        )

    def matrix_view(
        self,
        layer: int | None = None,
        head: int | str | None = None,
        *,
        quantity: str = "weight",
        layers: int | Sequence[int] | None = None,
        heads: int | Sequence[int] | None = None,
        stream: str | None = None,
        words: bool = False,
        color: str = "root",
        precision: str = "auto",
        theme: Theme = "auto",
    ) -> View:
        """One head as a heat map, queries as rows and keys as columns: zoom, pan, read numbers.

        Args:
            layer: the layer shown first (None: the first).
            head: the head shown first (None: the first), or `mean` or `max` over the layer's heads.
            quantity: `weight`, `score`, `norm`, `rollout`, ... of `measures.QUANTITIES`. A notebook
                can switch to any that the trace has; a saved page has weight, score and this one.
            layers: the layers to choose from (None: all).
            heads: the heads to choose from (None: all).
            stream: the stream shown first (None: the first).
            words: start with words instead of tokens (keys summed, queries averaged).
            color: how numbers become colours: `root` (faint weights stay visible), `linear`, `log`.
            precision: of queries and keys in a saved page: `exact`, `int8` (eight bits a number;
                the page says how far off its weights then are, and prints no digit that this
                leaves open), or `auto`: exact up to a page of some 50 MB.
            theme: `light`, `dark`, or `auto` to follow the page.

        Raises:
            InputError: for a layer, head, stream, quantity or option that is not there.
        """
        from attnscope.view import View
        from attnscope.views.matrix import matrix_view

        options: Any = {"layers": layers, "heads": heads, "stream": stream}
        options |= {"words": words, "color": color, "precision": precision}
        return View(
            self._trace,
            matrix_view(self._trace, layer, head, quantity=quantity, theme=theme, **options),
        )

    def heads_view(
        self,
        measure: str | None = None,
        *,
        layers: int | Sequence[int] | None = None,
        heads: int | Sequence[int] | None = None,
        stream: str | None = None,
        precision: str = "auto",
        theme: Theme = "auto",
    ) -> View:
        """Layer × head map of any measure, and a list of heads to sort; a click opens a head.

        Args:
            measure: the measure shown first (None: entropy), see `Trace.heads`.
            layers: the layers shown, as rows in this order (None: all).
            heads: the heads shown, as columns (None: all).
            stream: the stream shown first (None: the first).
            precision: of queries and keys in a saved page; see `Trace.matrix_view`.
            theme: `light`, `dark`, or `auto` to follow the page.

        Raises:
            InputError: for a measure that there is not, or that has no meaning for this stream.
        """
        from attnscope.view import View
        from attnscope.views.heads import heads_view

        where: Any = {"layers": layers, "heads": heads, "stream": stream, "precision": precision}
        return View(self._trace, heads_view(self._trace, measure, theme=theme, **where))

    def generation_view(
        self,
        step: int | None = None,
        layer: int | str = "all",
        head: int | str = "mean",
        *,
        hide_first: bool = False,
        renormalise: bool = False,
        start: int | None = None,
        layers: int | Sequence[int] | None = None,
        heads: int | Sequence[int] | None = None,
        stream: str | None = None,
        theme: Theme = "auto",
    ) -> View:
        """Token by token, what a model looked at when it wrote: the text as a heat map, and shares.

        Args:
            step: the generated token shown first, from 0 on (None: the first).
            layer: `all` for the mean over layers, or a number.
            head: `mean` over the heads, or a number (which needs a layer).
            hide_first: leave the first token out, on which many heads rest.
            renormalise: divide what is left of each row by its sum; needs `hide_first`.
            start: place of the first token that is taken as generated, where the trace is of a text
                whose answer was written elsewhere.
            layers: the layers to choose from (None: all).
            heads: the heads to choose from, and to take the mean over (None: all).
            stream: the stream shown first (None: `cross` of an encoder-decoder).
            theme: `light`, `dark`, or `auto` to follow the page.

        Raises:
            InputError: where nothing was generated, or for a step, layer, head, stream or option
                that is not there.
        """
        from attnscope.view import View
        from attnscope.views.generation import generation_view

        options: Any = {"hide_first": hide_first, "renormalise": renormalise, "start": start}
        options |= {"layers": layers, "heads": heads, "stream": stream}
        return View(*generation_view(self._trace, step, layer, head, theme=theme, **options))
