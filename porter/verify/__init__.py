"""Proof of a port: the original on the CPU against the port on a backend. See `docs/verify.md`.

Modules that run in a worker (`worker` and what it imports) depend on the standard library and torch alone: the
environment of the backend ``xla-cpu`` holds nothing else.
"""
