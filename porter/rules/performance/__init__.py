"""What runs on Neuron, but hurts. On request only."""
