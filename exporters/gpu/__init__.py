"""Forms of a graph for a CUDA GPU, used only by `exporters.precision` and `exporters.cli`.

`half_graph.py` writes the graph in half precision, `attention.py` replaces its attention by one
operator, and `tensorrt.py` builds an engine. Half-precision graphs are checked on a CPU. None of
this has run on a GPU yet: see docs/gpu.md.
"""
