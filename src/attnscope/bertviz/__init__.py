"""BertViz's functions, with its names, arguments and results, drawn by attnscope.

    from attnscope.bertviz import head_view, model_view, neuron_view

Code written for BertViz 1.4.1 runs with this line changed, or unchanged after
`attnscope.install_as_bertviz()` or under `python -m attnscope.bertviz script.py`. What is accepted
here and not there: arrays of any framework, whole model outputs, `generate()` output, layers that
differ in heads, a batch with `index=`; the neuron view takes any Hugging Face model.

    head_view, model_view, neuron_view, util, transformers_neuron_view   as in BertViz
    _given      their arguments to a Trace, with BertViz's complaints
    _generated  the steps of generate() to one matrix a layer
    _deliver    shows a view, or returns it as BertViz did
    install     `import bertviz` resolves here
"""

from __future__ import annotations

from attnscope.bertviz import neuron_view, transformers_neuron_view, util
from attnscope.bertviz.head_view import head_view
from attnscope.bertviz.install import install_as_bertviz, uninstall_as_bertviz
from attnscope.bertviz.model_view import model_view

__all__ = [
    "head_view",
    "install_as_bertviz",
    "model_view",
    "neuron_view",
    "transformers_neuron_view",
    "uninstall_as_bertviz",
    "util",
]
