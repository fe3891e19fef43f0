"""`attnscope.generate`: a model writes, each forward pass is a step, and the steps become a Trace.

generate   the public function
orders     what was asked for: prompt, options, and which sequence to record
stepping   keeps of every call what is new (`parts`)
joining    puts the steps together; `written`: which tokens they are
"""
