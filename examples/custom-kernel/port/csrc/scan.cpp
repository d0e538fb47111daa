#include <torch/extension.h>

void scan_forward(torch::Tensor gates, torch::Tensor inputs, torch::Tensor states);
void scan_backward(torch::Tensor gates, torch::Tensor states, torch::Tensor grad, torch::Tensor grad_gates,
                   torch::Tensor grad_inputs);

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("scan_forward", &scan_forward, "h[t] = gates[t] * h[t - 1] + inputs[t]");
  m.def("scan_backward", &scan_backward, "its gradients");
}
