"""Compilation, kernels and extensions."""
