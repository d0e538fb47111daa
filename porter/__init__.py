"""Move PyTorch code from NVIDIA GPUs to AWS Trainium: find what ties it to CUDA, rewrite it, keep it out."""

__version__ = "0.1.0"
