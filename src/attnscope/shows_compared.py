"""What a comparison can be shown as: the views of a Trace, for two traces side by side.

Every view has `show`: `both` puts the two side by side, and a token, head or cell that is pointed
at in one is pointed at in the other; `difference` shows the second less the first. The reader can
switch between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.measures.compare import Comparison
    from attnscope.trace import Trace
    from attnscope.view import View
    from attnscope.wire.spec import Spec


class ComparedShows:
    """The views of a Comparison, which has them from here."""

    @property
    def _comparison(self) -> Comparison:
        return cast("Comparison", self)

    def head_view(
        self,
        layer: int | None = None,
        heads: int | Sequence[int] | None = None,
        *,
        show: str = "both",
        **options: Any,
    ) -> View:
        """Heads of one layer as lines, of both traces or of the difference in two colours.

        Args:
            layer: the layer shown first (None: that of the head that changed most).
            heads: the heads switched on first (None: the one that changed most, of the layer if
                given).
            show: `both` side by side, or `difference`.
            options: others of `Trace.head_view` (`layers=`, `mean=`, `hide_special=`, `theme=`...).

        Raises:
            InputError: for a layer, head or stream that is not there, or an unknown option.
        """
        from attnscope.views.head import head_view

        if heads is None and not options.get("mean"):
            layer, head = self._changed(layer, options)
            heads = None if head is None else [head]
        return self._shown(head_view, show, layer=layer, heads=heads, **options)

    def model_view(
        self,
        layers: int | Sequence[int] | None = None,
        heads: int | Sequence[int] | None = None,
        *,
        show: str = "both",
        **options: Any,
    ) -> View:
        """Every layer and head at a glance, of both traces or their difference.

        Args:
            layers: the layers shown, as rows in this order (None: all).
            heads: the heads shown, as columns (None: all).
            show: `both` side by side, or `difference`.
            options: others of `Trace.model_view`; `sort="change"` puts the heads that changed
                most first.

        Raises:
            InputError: for a layer, head or stream that is not there, or an unknown option.
        """
        from attnscope.views.model import model_view

        return self._shown(model_view, show, layers=layers, heads=heads, **options)

    def matrix_view(
        self,
        layer: int | None = None,
        head: int | str | None = None,
        *,
        show: str = "both",
        **options: Any,
    ) -> View:
        """One head as two heat maps, or one heat map of the difference.

        Args:
            layer: the layer shown first (None: that of the head that changed most).
            head: the head shown first (None: the one that changed most, of the layer if given), or
                `mean` over the layer's heads.
            show: `both` side by side, or `difference`.
            options: others of `Trace.matrix_view` (`color=`, `layers=`, `theme=`, ...).

        Raises:
            InputError: for a layer, head or stream that is not there, or an unknown option.
        """
        from attnscope.views.matrix import matrix_view

        if head is None:
            layer, head = self._changed(layer, options)
        _check_signed(head)
        given: Any = {"layer": layer, "head": head, "quantity": "difference"}
        return self._shown(matrix_view, show, vectors=False, **given, **options)

    def text_view(
        self,
        query: int | str | None = None,
        *,
        show: str = "both",
        layer: int | str | None = None,
        head: int | str | None = None,
        **options: Any,
    ) -> View:
        """The text of both traces shaded by attention, or one text shaded by the difference.

        Args:
            query: the query whose row is shown first, by place among the merged tokens or text
                (None: the mean of all).
            show: `both` side by side, or `difference`.
            layer: the layer shown first, or `all` for the mean over all.
            head: the head shown first, or `mean`. (Neither given: the head that changed most.)
            options: others of `Trace.text_view` (`column=`, `hide_special=`, `layers=`, ...).

        Raises:
            InputError: for a query, layer, head or stream that is not there, an unknown option, or
                traces too long for a page; the text says what to leave out.
        """
        from attnscope.views.compared import check_fits
        from attnscope.views.text import text_view

        if layer is None and head is None:
            layer, head = self._changed(None, options)
        _check_signed(head)

        def make(trace: Trace, **given: Any) -> Spec:
            check_fits(trace, given)
            return text_view(trace, query, **given)[1]

        layer, head = "all" if layer is None else layer, "mean" if head is None else head
        return self._shown(make, show, layer=layer, head=head, **options)

    def neuron_view(
        self,
        layer: int | None = None,
        head: int | None = None,
        query: int | str | None = None,
        *,
        show: str = "both",
        **options: Any,
    ) -> View:
        """One head from queries and keys to weights, of both traces, or what changed step by step.

        Args:
            layer: the layer shown first (None: that of the head that changed most).
            head: the head shown first (None: the one that changed most, of the layer if given).
            query: the query whose neurons are shown at once, by place among the merged tokens or
                text (None: lines first).
            show: `both`, or `difference`: of queries, keys, their products, scores and weights.
            options: others of `Trace.neuron_view` (`layers=`, `stream=`, `theme=`, ...).

        Raises:
            InputError: for a layer, head, query or stream that is not there, or traces without
                queries and keys, or with heads of different sizes.
        """
        from attnscope.views.compared_neurons import compared_neurons

        if head is None:
            layer, head = self._changed(layer, options)
        given: Any = {"layer": layer, "head": head, "query": query}
        return self._shown(compared_neurons, show, **given, **options)

    def image_view(
        self,
        image: Any,
        layer: int | None = None,
        heads: int | Sequence[int] | None = None,
        *,
        other: Any = None,
        show: str = "both",
        stream: str | None = None,
        grid: tuple[int, int] | None = None,
        **options: Any,
    ) -> View:
        """Over a picture which patches a patch or [CLS] looks at: in both traces, or what changed.

        Args:
            image: the picture, as `Trace.image_view` takes it.
            layer: the layer shown first (None: that of the head that changed most).
            heads: the heads switched on first (None: the one that changed most, of the layer if
                given).
            other: the picture of the second trace (None: the same one). The difference is drawn
                over it.
            show: `both` side by side, or `difference`.
            stream: the stream shown (None: the first one made of patches).
            grid: (rows, columns) of the patches, where the captures could not tell.
            options: others of `Trace.image_view` (`query=`, `layers=`, `theme=`).

        Raises:
            InputError: for an image that is none, tokens that are not patches, or traces whose
                patches lie in different grids.
        """
        from attnscope.views.compared import patches_of_both
        from attnscope.views.image import image_view

        stream, grid = patches_of_both(self._comparison, stream, grid)
        if heads is None:
            layer, head = self._changed(layer, {**options, "stream": stream})
            heads = None if head is None else [head]
        given: Any = {"image": image, "other": other, "layer": layer, "heads": heads}
        return self._shown(image_view, show, stream=stream, grid=grid, **given, **options)

    def generation_view(
        self,
        step: int | None = None,
        layer: int | str = "all",
        head: int | str = "mean",
        *,
        start: int | tuple[int, int] | None = None,
        show: str = "both",
        **options: Any,
    ) -> View:
        """Token by token, what either model looked at when it wrote, or what changed.

        Generated tokens are aligned with generated ones, prompts with prompts.

        Args:
            step: the generated token shown first, by place among the merged ones (None: the first).
            layer: `all` for the mean over layers, or a number.
            head: `mean` over the heads, or a number (which needs a layer).
            start: place of the first token that is taken as generated, of both traces or (first,
                second), where they are of texts whose answers were written elsewhere.
            show: `both` side by side, or `difference`.
            options: others of `Trace.generation_view` (`hide_first=`, `layers=`, `theme=`, ...).

        Raises:
            InputError: where nothing was generated, or for a step, layer, head, stream or option
                that is not there.
        """
        from attnscope.views.compared import compared
        from attnscope.views.compared_steps import compared_generation, compared_steps

        rows = compared_steps(self._comparison, start)
        given: Any = {"step": step, "layer": layer, "head": head}
        view: View = compared(rows, compared_generation, show, vectors=False, **given, **options)
        return view

    def heads_view(
        self, measure: str = "change", *, show: str = "difference", **options: Any
    ) -> View:
        """Layer × head map of how much a measure changed, and the heads as a list to sort.

        Args:
            measure: `change`, `js` or `largest` (see `Comparison.heads`), or any measure of
                `Trace.heads`: the list then has it in both traces, and the difference.
            show: what an opened head shows: `both` side by side, or the `difference`.
            options: others of `Trace.heads_view` (`layers=`, `heads=`, `theme=`, ...).

        Raises:
            InputError: for a measure that there is not, or an unknown option.
        """
        from attnscope.views.heads import heads_view

        return self._shown(heads_view, show, vectors=False, measure=measure, **options)

    def _shown(self, make: Any, show: str, **options: Any) -> View:
        from attnscope.views.compared import compared

        view: View = compared(self._comparison, make, show, **options)
        return view

    def _changed(self, layer: int | None, options: Any) -> tuple[int | None, int | None]:
        """The head that changed most of those that the options leave; of the layer if given."""
        comparison = self._comparison
        name = options.get("stream") or next(iter(comparison.sides))
        table = comparison.heads(stream=name)
        found = comparison.difference.stream(name)
        layers = options.get("layers") or found.numbers
        wanted = np.isin(table["layer"], layers if layer is None else [layer])
        if options.get("heads") is not None:
            wanted &= np.isin(table["head"], options["heads"])
        if not wanted.any():
            return layer, None
        first = table.take(wanted)
        return int(first["layer"][0]), int(first["head"][0])


def _check_signed(head: Any) -> None:
    if head == "max":
        raise InputError(
            "head='max' says nothing of a difference, which has a sign: head='mean', or a number."
        )
