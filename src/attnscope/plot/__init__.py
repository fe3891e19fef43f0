"""Figures for papers and slides, with matplotlib: one function a figure, which returns its Axes.

    from attnscope import plot

    plot.head(trace, layer=5, head=11)                  # heat map of one head
    plot.head(trace, 5, 11, ax=ax, color="log")         # on an Axes of yours
    trace.head_view(5).save("layer5.pdf")               # what the view shows

head     one head as a heat map
layer    all heads of a layer as heat maps on one scale
measure  layer × head map of a measure
lines    head view: curves from queries to keys
model    model view: every layer and head
neurons  neuron view: the steps from query and key to the weight
rollout  attention rollout
sources  parts of a context × tokens of an answer: shares beside effects
text     running text, each token shaded by its number

`ax` takes an Axes, an empty `matplotlib.figure.Figure`, or None for a new figure of pyplot; with
an Axes or a Figure pyplot is neither imported nor changed.
"""

from attnscope.errors import MissingDependencyError

try:
    import matplotlib as mpl  # noqa: F401
except ImportError as cause:
    raise MissingDependencyError(
        "figures need matplotlib: pip install 'attnscope[plot]'. Without it, "
        "view.save('view.html') writes the view as a page."
    ) from cause

from attnscope.plot.head import head
from attnscope.plot.layer import layer
from attnscope.plot.lines import lines
from attnscope.plot.measure import measure
from attnscope.plot.model import model
from attnscope.plot.neurons import neurons
from attnscope.plot.rollout import rollout
from attnscope.plot.sources import sources
from attnscope.plot.text import text

__all__ = ["head", "layer", "lines", "measure", "model", "neurons", "rollout", "sources", "text"]
