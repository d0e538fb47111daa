"""Runs what a factory made, and records what it computes. The same for the original and for the port."""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from porter.verify import tensors
from porter.verify.devices import Device
from porter.verify.errors import BadCase
from porter.verify.layers import Layers

KEYS = ("model", "inputs", "targets", "loss", "optimizer", "step")
INPUTS, INITIAL, RESULTS, LAYERS = "inputs.pt", "initial.pt", "results.pt", "layers.pt"  # files in a folder of results
Losses = dict[str, list[torch.Tensor]]


def record(job: Mapping[str, Any], device: Device, make: Callable[[], Any]) -> dict[str, Any]:
    """Make a case, run it, and write inputs, initial state and results into ``job["out"]``.

    With ``job["given"]``, a folder that an earlier run wrote, inputs and initial state are those; if the model's state
    has other names or shapes, nothing is run.

    Returns:
        ``place``, ``state`` (the model's own: name to dtype and shape), ``inputs`` (checksum of the factory's own),
        ``losses`` (name to one number for each step), ``counters`` and ``warnings``.

    Raises:
        BadCase: the factory returned something that is no case.
    """
    if job["eager"]:
        _compile_nothing()
    _seed(job["seed"])
    case = _check(make())
    model: nn.Module = case["model"]
    warnings = device.move(model) + _doubts(model)
    batches = _batches(case)
    answer: dict[str, Any] = {"place": device.place(), "inputs": tensors.digest(batches), "losses": {}, "counters": {}}
    answer["state"] = {name: [str(t.dtype), list(t.shape)] for name, t in _state(model).items()}
    answer["warnings"] = warnings
    if job["given"]:
        given = Path(job["given"])
        batches, initial = tensors.load(given / INPUTS), tensors.load(given / INITIAL)
        if {name: list(t.shape) for name, t in initial.items()} != {
            name: s for name, (_, s) in answer["state"].items()
        }:
            return answer
        model.load_state_dict(initial, strict=False)  # what is no tensor stays
    out = Path(job["out"])
    tensors.save(batches, out / INPUTS)
    tensors.save(_host(_state(model)), out / INITIAL)
    with Layers(model, enabled=job["layers"]) as layers:
        run = _Run(job, case, model, device, layers)
        device.begin()
        losses = run.all(batches)
    answer["counters"] = dict(device.counters())  # before the results are fetched
    answer["losses"] = {name: [float(value) for value in values] for name, values in losses.items()}
    answer["warnings"] += run.warnings
    results = {"outputs": run.outputs, "gradients": run.gradients, "final": _host(_state(model)) if run.trains else {}}
    tensors.save(results, out / RESULTS)
    if job["layers"]:
        tensors.save(layers.calls, out / LAYERS)
    return answer


class _Run:
    """The steps of one case, with what they leave behind."""

    def __init__(
        self, job: Mapping[str, Any], case: Mapping[str, Any], model: nn.Module, device: Device, layers: Layers
    ) -> None:
        self.case, self.model, self.device, self.layers = case, model, device, layers
        self.seed = job["seed"]
        self.autocast = getattr(torch, job["precision"]) if job["autocast"] else None
        self.optimizer = case["optimizer"](model) if case.get("optimizer") else None
        self.trains = bool(self.optimizer or case.get("step"))
        self.steps = job["steps"] if self.trains else 0
        self.outputs: dict[str, torch.Tensor] = {}
        self.gradients: dict[str, torch.Tensor] = {}
        self.warnings: list[str] = []

    def all(self, batches: list[Any]) -> Losses:
        """Run every step, or every batch once where nothing is trained; return the losses, on the device."""
        losses: Losses = {}
        _seed(self.seed)
        for number in range(self.steps or len(batches)):
            inputs, targets = tensors.to_device(batches[number % len(batches)], self.device.device)
            for name, value in self._step(number, inputs, targets).items():
                losses.setdefault(name, []).append(value)
            self.layers.stop()
        return losses

    def _step(self, number: int, inputs: Any, targets: tuple[Any, ...]) -> dict[str, torch.Tensor]:
        if "step" in self.case:
            return self._own_step(number, inputs, targets)
        if self.optimizer:
            self.optimizer.zero_grad(set_to_none=True)
        with self._precision(), contextlib.nullcontext() if "loss" in self.case else torch.no_grad():
            output = _call(self.model, inputs)
            loss = self.case["loss"](output, *targets) if "loss" in self.case else None
        if loss is not None:
            if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
                raise BadCase("`loss` must give a tensor with one element")
            torch.autograd.backward(loss)
        gradients = self._gradients() if number == 0 else {}  # referred to until the device has computed them
        if self.optimizer:
            self.optimizer.step()
        self.device.end_step()
        if number == 0 or not self.steps:
            self._keep(number, output, gradients)
        return {} if loss is None else {"loss": loss.detach()}

    def _own_step(self, number: int, inputs: Any, targets: tuple[Any, ...]) -> dict[str, torch.Tensor]:
        outputs: list[Any] = []
        hook = self.model.register_forward_hook(lambda *call: outputs.append(call[-1]) if not outputs else None)
        try:
            losses = self.case["step"](inputs, *targets)
        finally:
            hook.remove()
        self.device.end_step()
        if number == 0:
            self._keep(number, outputs[0] if outputs else (), self._gradients())
        if not isinstance(losses, Mapping):
            losses = {"loss": losses}
        return {str(name): torch.as_tensor(value).detach() for name, value in losses.items()}

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device.type, self.autocast) if self.autocast else contextlib.nullcontext()

    def _gradients(self) -> dict[str, torch.Tensor]:
        return {name: p.grad.detach().clone() for name, p in self.model.named_parameters() if p.grad is not None}

    def _keep(self, number: int, output: Any, gradients: dict[str, torch.Tensor]) -> None:
        """Remember outputs (of each batch, where nothing is trained) and the gradients of the first step."""

        def unknown(path: str, other: Any) -> None:
            self.warnings.append(f"`{path}` of the output is a {type(other).__name__} and not compared")

        prefix = "" if self.steps else f"batch {number}: " if number else ""
        self.outputs |= {prefix + name: value for name, value in tensors.named(output, unknown).items()}
        self.gradients |= _host(gradients)


def _call(model: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def _state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}


def _host(values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensors.host(value) for name, value in values.items()}


def _check(case: Any) -> Mapping[str, Any]:
    if not isinstance(case, Mapping):
        raise BadCase(f"the factory must return a dictionary, not {type(case).__name__}")
    if unknown := [key for key in case if key not in KEYS]:
        raise BadCase(f"the factory returned the unknown key `{unknown[0]}`; known are {', '.join(KEYS)}")
    for key, kind in (("model", nn.Module), ("inputs", object)):
        if not isinstance(case.get(key), kind) or key not in case:
            raise BadCase(f"the factory must return `{key}`" + (": a torch.nn.Module" if key == "model" else ""))
    for key in ("loss", "optimizer", "step"):
        if key in case and not callable(case[key]):
            raise BadCase(f"`{key}` must be a function")
    if "step" in case and ("loss" in case or "optimizer" in case):
        raise BadCase("`step` stands for `loss` and `optimizer`: leave these out")
    if "optimizer" in case and "loss" not in case:
        raise BadCase("`optimizer` needs a `loss`")
    return case


def _batches(case: Mapping[str, Any]) -> list[Any]:
    """Pairs of inputs and of a tuple with the targets, if any: plain data on the host."""
    inputs = case["inputs"] if isinstance(case["inputs"], list) else [case["inputs"]]
    if "targets" not in case:
        targets: list[Any] = [()] * len(inputs)
    elif isinstance(case["inputs"], list):
        targets = [(value,) for value in case["targets"]]
    else:
        targets = [(case["targets"],)]
    if not inputs or len(inputs) != len(targets):
        raise BadCase(f"`inputs` has {len(inputs)} batches, `targets` {len(targets)}")
    return [(tensors.plain(i, "inputs"), tensors.plain(t, "targets")) for i, t in zip(inputs, targets, strict=True)]


def _doubts(model: nn.Module) -> list[str]:
    """What makes a comparison worth less than it seems."""
    random_layers = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0 and module.training
    ]
    if not random_layers:
        return []
    others = f" and {len(random_layers) - 1} more drop" if len(random_layers) > 1 else " drops"
    return [f"`{random_layers[0]}`{others} at random: devices draw other numbers; set p to 0"]


def _compile_nothing() -> None:
    """Let `torch.compile` leave code as it is. Only a program that calls it waits for the compiler to be imported."""
    compile_ = torch.compile

    @functools.wraps(compile_)
    def eager(*args: Any, **kwargs: Any) -> Any:
        torch.compiler.set_stance("force_eager")
        return compile_(*args, **kwargs)

    setattr(torch, "compile", eager)  # noqa: B010 - no type allows it


def _seed(seed: int) -> None:
    random.seed(seed)
    torch.manual_seed(seed)
    with contextlib.suppress(ImportError):
        import numpy

        numpy.random.seed(seed % 2**32)
