"""`attnscope.importance`: what is lost without each head, over many texts.

heads      the public function: ablation or gradient, intervals and a null
examples   texts with what is right for each, and how well a model's output fits
sweep      passes with many heads ablated, one head a batch item
replay     blocks of layers that need not run again
"""
