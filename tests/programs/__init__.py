"""Whole programs before and after: see `test_programs.py`."""
