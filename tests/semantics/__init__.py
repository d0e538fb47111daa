"""What rewritten code computes, against what the original is documented to compute."""
