#!/usr/bin/env bash
# Trains on every GPU of this machine, or on those in CUDA_VISIBLE_DEVICES.
set -euo pipefail
cd "$(dirname "$0")"

export NCCL_DEBUG="${NCCL_DEBUG:-WARN}"
export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True
export OMP_NUM_THREADS=4

gpus=$(nvidia-smi --list-gpus | wc -l)
exec torchrun --standalone --nproc_per_node "$gpus" train.py "$@"
