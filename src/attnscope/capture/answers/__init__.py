"""What a model answers, and where the answer comes from.

answer       answers of language models and of question-answering models
sources      for each part of the context its weight, and what happens without it
predictions  the most probable tokens at a position
attribution  what each head writes into a logit
"""
