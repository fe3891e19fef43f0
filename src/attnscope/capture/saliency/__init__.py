"""`attnscope.saliency`: what each token is worth for one prediction.

tokens    the public function: by gradients and by attention, side by side
targets   which number of the output is asked for
embedded  a model run on embeddings, and the gradients by them (Captum)
erasing   what is left of a prediction without some tokens: is an attribution faithful?
"""
