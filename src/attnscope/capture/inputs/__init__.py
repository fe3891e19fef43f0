"""What goes into a model: inputs and Tokens, made or checked before anything runs.

prepare   model inputs and Tokens, from a text or from what the caller has prepared
texts     what the tokenizer makes of texts, and what is wrong with them
checks    prepared inputs held against what the model takes; `limits`: the longest it takes
prompts   texts and chats (`chats`) to the model inputs of a generation
lengths   how many tokens each stack will work on
patches   names for the tokens of image models
"""
