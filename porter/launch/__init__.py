"""``porter run``: a program under plain Python, with a Neuron device, and what porter has to say when it ends.

`start.py` replaces porter's process by Python's own, so that nothing about the program is emulated. What porter adds
comes back in through `autoload.py`, an entry point that PyTorch calls when the program imports it.
"""
