"""Where an attention call is: which module runs, which layer and stream, which axis is what.

where     which module of a model is running now, on this thread
streams   which stack of calls is which stream
placing   the stack and the layer of a call
layout    which axes of a call are batch items, parts of an item, and heads
"""
