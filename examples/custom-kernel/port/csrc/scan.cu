// A linear recurrence over time, one thread for each channel of each sequence. All tensors are (batch, time, channels).
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAGuard.h>
#include <torch/extension.h>

template <typename scalar_t>
__global__ void scan_forward_kernel(const scalar_t* __restrict__ gates, const scalar_t* __restrict__ inputs,
                                    scalar_t* __restrict__ states, int length, int channels) {
  const int channel = blockIdx.x * blockDim.x + threadIdx.x;
  if (channel >= channels) return;
  int64_t at = static_cast<int64_t>(blockIdx.y) * length * channels + channel;
  float state = 0.f;
  for (int t = 0; t < length; ++t, at += channels) {
    state = static_cast<float>(gates[at]) * state + static_cast<float>(inputs[at]);
    states[at] = static_cast<scalar_t>(state);
  }
}

template <typename scalar_t>
__global__ void scan_backward_kernel(const scalar_t* __restrict__ gates, const scalar_t* __restrict__ states,
                                     const scalar_t* __restrict__ grad, scalar_t* __restrict__ grad_gates,
                                     scalar_t* __restrict__ grad_inputs, int length, int channels) {
  const int channel = blockIdx.x * blockDim.x + threadIdx.x;
  if (channel >= channels) return;
  int64_t at = (static_cast<int64_t>(blockIdx.y) * length + length - 1) * channels + channel;
  float carried = 0.f;
  for (int t = length - 1; t >= 0; --t, at -= channels) {
    carried += static_cast<float>(grad[at]);
    grad_inputs[at] = static_cast<scalar_t>(carried);
    grad_gates[at] = static_cast<scalar_t>(t > 0 ? carried * static_cast<float>(states[at - channels]) : 0.f);
    carried *= static_cast<float>(gates[at]);
  }
}

void scan_forward(torch::Tensor gates, torch::Tensor inputs, torch::Tensor states) {
  const c10::cuda::CUDAGuard guard(gates.device());
  const int batch = gates.size(0), length = gates.size(1), channels = gates.size(2);
  const dim3 blocks((channels + 127) / 128, batch);
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, gates.scalar_type(), "scan_forward", [&] {
    scan_forward_kernel<scalar_t><<<blocks, 128, 0, at::cuda::getCurrentCUDAStream()>>>(
        gates.data_ptr<scalar_t>(), inputs.data_ptr<scalar_t>(), states.data_ptr<scalar_t>(), length, channels);
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

void scan_backward(torch::Tensor gates, torch::Tensor states, torch::Tensor grad, torch::Tensor grad_gates,
                   torch::Tensor grad_inputs) {
  const c10::cuda::CUDAGuard guard(gates.device());
  const int batch = gates.size(0), length = gates.size(1), channels = gates.size(2);
  const dim3 blocks((channels + 127) / 128, batch);
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, gates.scalar_type(), "scan_backward", [&] {
    scan_backward_kernel<scalar_t><<<blocks, 128, 0, at::cuda::getCurrentCUDAStream()>>>(
        gates.data_ptr<scalar_t>(), states.data_ptr<scalar_t>(), grad.data_ptr<scalar_t>(),
        grad_gates.data_ptr<scalar_t>(), grad_inputs.data_ptr<scalar_t>(), length, channels);
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}
