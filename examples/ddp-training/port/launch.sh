#!/usr/bin/env bash
# Trains on every NeuronCore of this machine, or on those in NEURON_RT_VISIBLE_CORES.
set -euo pipefail
cd "$(dirname "$0")"

export NCCL_DEBUG="${NCCL_DEBUG:-WARN}"
export OMP_NUM_THREADS=1

exec torchrun --standalone --nproc_per_node=neuron train.py "$@"
