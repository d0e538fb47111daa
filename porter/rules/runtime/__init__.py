"""The CUDA runtime: memory, streams, graphs, profiling, properties."""
