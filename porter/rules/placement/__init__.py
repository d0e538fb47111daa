"""Device placement: which device a tensor, a module or a process uses."""
