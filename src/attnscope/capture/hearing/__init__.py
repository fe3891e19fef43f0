"""How attention calls are heard, and the one way through which all of them pass.

registry   stands in for the attention functions that a Transformers model already uses
mode       sees attention in a model's own code, by a torch function mode:
products   the products of two activations,
trails     what becomes of them,
tap        and the softmax that makes them weights
listeners  who on this thread hears a call, and who edits it
"""
