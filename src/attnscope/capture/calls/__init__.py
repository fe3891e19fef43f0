"""One attention call, as it is kept: queries, keys and a score spec that explain its weights.

call      what is kept of a call
layers    queries, keys and a score spec from what an attention function was given
explain   the same from what a softmax returned; `bands`: from the windows of Longformer
masks     masks as fields of a score spec, by name where they can be recognised
keeping   a call cut to the queries and the precision asked for
wholes    one layer of parts that see nothing of each other
problems  what is said of a call that does not explain what the model computed
"""
