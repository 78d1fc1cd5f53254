"""Runtimes that need a CUDA GPU, used only by `runtimes.open` and `exporters.gpu`.

`cuda.py` runs ONNX Runtime with IO binding and CUDA graphs, `tensorrt.py` runs engines, `engine.py`
reads and writes their files, and `cuda_memory.py` calls `cuda.bindings`. None of this has run on a
GPU yet: tests use stand-ins that accept only the calls NVIDIA documents. See docs/gpu.md.
"""
