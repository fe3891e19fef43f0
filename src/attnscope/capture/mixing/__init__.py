"""What a model makes of its weights: output projection, residual and norm after an attention call.

following  watches the modules that run after a call
passing    recognises by its numbers what passes through them
asking     learns a module's matrix or norm from its answers
matrices   makes a `Mixing` of these, and checks it
"""
