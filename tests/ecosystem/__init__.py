"""porter on real packages: how much of their CUDA it sees, and what must hold for every rewrite."""
