#!/usr/bin/env bash
# Trains on every GPU of this machine, or on those in CUDA_VISIBLE_DEVICES.
set -euo pipefail
cd "$(dirname "$0")"

export NCCL_DEBUG="${NCCL_DEBUG:-WARN}"
export TORCH_NCCL_ASYNC_ERROR_HANDLING=1
export OMP_NUM_THREADS=1

exec torchrun --standalone --nproc_per_node=gpu train.py "$@"
