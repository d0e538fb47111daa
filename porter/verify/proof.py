"""Runs cases on backends and judges them: the one place that knows the order of the steps."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from porter.verify import commands, oracle
from porter.verify.cases import CommandCase, FactoryCase, Suite
from porter.verify.environments import XlaEnvironment
from porter.verify.execute import Failed, environment, scratch, work
from porter.verify.outcome import Oracle, Outcome, Verdict

Case = FactoryCase | CommandCase
TORCH = importlib.metadata.version("torch")
ORACLE_ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": ""}  # the oracle is computed on the CPU, also where there is a GPU
LAYERS_AGREE = 1e-6  # relative difference of a loss when the oracle is run again for its layers
PROBE_TIMEOUT = 120.0  # seconds to import torch and open a device
OTHER_KERNELS = ("xla-cpu", "neuron")  # backends that compute with code of their own


class Options(NamedTuple):
    """What the command line says of a run."""

    backends: Sequence[str]
    xla: XlaEnvironment
    refreeze: bool = False
    per_layer: bool = False


class _Unavailable(Exception):
    """A backend cannot run here; the message is the reason."""


def verify(suite: Suite, options: Options, say: Callable[[str], None]) -> Iterator[Outcome]:
    """Every case of a suite on every backend. ``say`` is told what begins."""
    launchers = [_Launcher(name, options.xla) for name in options.backends]
    for case in suite.cases:
        frozen: _Frozen | Outcome | None = None
        for launcher in launchers:
            try:
                launcher.check(case)
            except _Unavailable as reason:
                yield _outcome(suite, case, launcher.backend, Verdict.UNVERIFIED, reason=str(reason))
                continue
            if frozen is None:
                say(f"{case.name}: oracle")
                frozen = _freeze(suite, case, options)
            if isinstance(frozen, Outcome):
                yield msgspec.structs.replace(frozen, backend=launcher.backend)
                continue
            say(f"{case.name}: {launcher.backend}")
            with scratch() as out:
                yield _judge(suite, case, launcher, frozen, out, options)


def _freeze(suite: Suite, case: Case, options: Options) -> _Frozen | Outcome:
    """The oracle, or what is to be said on every backend where there is none."""
    try:
        return _Frozen(suite, case, refreeze=options.refreeze)
    except (Failed, oracle.Refused) as error:
        reason, _, detail = str(error).partition("\n")
        return _outcome(suite, case, "", Verdict.FAIL, reason=f"no oracle: {reason}", detail=detail.strip())


class _Frozen:
    """The oracle of a case: frozen earlier, or now."""

    def __init__(self, suite: Suite, case: Case, *, refreeze: bool) -> None:
        self.suite, self.case = suite, case
        self.folder = oracle.folder_of(suite, case)
        header = oracle.expected(suite, case)
        manifest = None if refreeze else oracle.thaw(self.folder, header)
        reused = manifest is not None
        if manifest is None:
            manifest = oracle.freeze(self.folder, header, lambda out: self.compute(out, given=None, layers=False))
        self.answer: Mapping[str, Any] = manifest["answer"]
        self.about = Oracle(self.answer["place"], reused, case.cuda_on_cpu, str(self.folder))

    def compute(self, out: Path, *, given: Path | None, layers: bool) -> dict[str, Any]:
        """Run the original, with its results in ``out``. Raises Failed."""
        device = "cuda-on-cpu" if self.case.cuda_on_cpu else "cpu"
        if isinstance(self.case, CommandCase):
            answer = commands.execute(
                self.case,
                "original",
                device="cuda" if self.case.cuda_on_cpu else "cpu",
                startup=device if self.case.cuda_on_cpu else "",
                folder=self.suite.original,
                out=out,
                variables=ORACLE_ENVIRONMENT,
            )
            mapped = ", CUDA calls mapped to it" if self.case.cuda_on_cpu else ""
            answer["place"] = f"CPU, PyTorch {TORCH}{mapped}"
            return answer
        answer = work(
            _job(self.suite, self.case, device, self.suite.original, given, layers=layers, eager=True),
            folder=self.suite.original,
            out=out,
            environment=environment(**ORACLE_ENVIRONMENT),
            timeout=self.case.timeout,
        )
        if answer["status"] != "ok":
            raise Failed(f"the original failed: {answer['reason']}{self._hint(answer)}\n{answer.get('traceback', '')}")
        return {key: value for key, value in answer.items() if key not in ("status", "log")}

    def _hint(self, answer: Mapping[str, Any]) -> str:
        asks = "CUDA" in answer["reason"] or "NVIDIA" in answer["reason"]
        return (
            " (for code that only runs on CUDA, set `cuda_on_cpu` in the case)"
            if asks and not self.case.cuda_on_cpu
            else ""
        )


class _Launcher:
    """How the port is run on a backend, and whether it can be."""

    def __init__(self, backend: str, xla: XlaEnvironment) -> None:
        self.backend, self.xla = backend, xla
        self._place: str | None = None

    def check(self, case: Case) -> None:
        """Raise _Unavailable with the reason if the case cannot run here."""
        if self.backend not in case.backends:
            raise _Unavailable(f"the case is meant for {', '.join(case.backends)}")
        if isinstance(case, CommandCase):
            if self.backend == "xla-cpu":
                raise _Unavailable("commands are not run on xla-cpu: a factory can be given that device, they cannot")
            if self.backend == "cpu" and not any("{device}" in part for part in case.port):
                raise _Unavailable("the command for the port has no {device} that could be cpu")
        if self.backend == "xla-cpu" and (reason := self.xla.missing()):
            raise _Unavailable(reason)
        found = importlib.util.find_spec("torch_neuronx") if self.backend == "neuron" else None
        if self.backend == "neuron" and (found is None or found.origin is None):  # none, or the simulation's stand-in
            from porter.verify.devices import NEURON_INSTALL

            raise _Unavailable(f"no torch_neuronx here; on a Trn2 or Trn3 instance: {NEURON_INSTALL}")

    def run(self, suite: Suite, case: Case, out: Path, given: Path, *, layers: bool) -> dict[str, Any]:
        """Run the port. Raises Failed, _Unavailable."""
        if isinstance(case, CommandCase):
            place = f"CPU, PyTorch {TORCH}" if self.backend == "cpu" else self._probed(out, suite.port)
            answer = commands.execute(
                case,
                "port",
                device="cpu" if self.backend == "cpu" else "neuron",
                startup="sim" if self.backend == "sim" else "",
                folder=suite.port,
                out=out,
                variables={},
            )
            return {**answer, "place": place}
        answer = work(
            _job(suite, case, self.backend, suite.port, given, layers=layers, eager=layers),
            folder=suite.port,
            out=out,
            environment=self._environment(),
            timeout=case.timeout,
            python=self._python(),
        )
        if answer["status"] == "unavailable":
            raise _Unavailable(answer["reason"])
        if answer["status"] != "ok":
            raise Failed(f"{answer['reason']}\n{answer.get('traceback', '')}")
        return answer

    def _python(self) -> str:
        return str(self.xla.python) if self.backend == "xla-cpu" else ""

    def _environment(self) -> dict[str, str]:
        if self.backend != "xla-cpu":
            return environment()
        inherited = environment(PJRT_DEVICE="CPU", **self.xla.variables())
        return {name: value for name, value in inherited.items() if name not in ("PYTHONPATH", "PYTHONHOME")}

    def _probed(self, out: Path, root: Path) -> str:
        """What the backend is, asked of a process of its own. Raises _Unavailable."""
        if self._place is None:
            answer = work(
                {"kind": "probe", "backend": self.backend, "root": str(root)},
                folder=root,
                out=out / "probe",
                environment=self._environment(),
                timeout=PROBE_TIMEOUT,
            )
            if answer["status"] != "ok":
                raise _Unavailable(answer["reason"])
            self._place = answer["place"]
        return self._place


def _job(
    suite: Suite, case: FactoryCase, backend: str, root: Path, given: Path | None, *, layers: bool, eager: bool
) -> dict[str, Any]:
    settings = {name: getattr(case, name) for name in ("factory", "steps", "seed", "precision", "autocast")}
    return {
        "kind": "train",
        "case": case.name,
        **settings,
        "backend": backend,
        "folder": str(suite.root),
        "root": str(root),
        "given": str(given) if given else None,
        "layers": layers,
        "eager": eager,
    }


def _judge(suite: Suite, case: Case, launcher: _Launcher, frozen: _Frozen, out: Path, options: Options) -> Outcome:
    from porter.verify.compare import compare

    layers = options.per_layer and isinstance(case, FactoryCase)
    try:
        answer = launcher.run(suite, case, out, frozen.folder, layers=layers)
    except _Unavailable as error:
        return _outcome(suite, case, launcher.backend, Verdict.UNVERIFIED, reason=str(error))
    except Failed as error:
        reason, _, detail = str(error).partition("\n")
        return _outcome(
            suite, case, launcher.backend, Verdict.FAIL, reason=reason, detail=detail.strip(), oracle=frozen.about
        )
    expected, found = _results(frozen.folder, frozen.answer), _results(out, answer)
    measures, warnings = compare(expected, found, case.precision, case.tolerance)
    failed = [measure for measure in measures if not measure.passed]
    warnings = [*frozen.answer["warnings"], *answer["warnings"], *warnings]
    if frozen.answer["inputs"] != answer["inputs"]:
        warnings.append("the factory made other inputs for the port than for the original, whose inputs were used")
    if launcher.backend in OTHER_KERNELS and not any(measure.maximum for measure in measures):
        warnings.append(
            "not one bit differs, though other code computed it: see to it that the case runs on the device"
        )
    divergence = ""
    if options.per_layer and failed:
        divergence = _divergence(case, frozen, out)
    return _outcome(
        suite,
        case,
        launcher.backend,
        Verdict.FAIL if failed else Verdict.PASS,
        reason=_reason(failed),
        place=answer["place"],
        oracle=frozen.about,
        seconds=answer["seconds"],
        measures=tuple(measures),
        losses={name: (values, answer["losses"].get(name, [])) for name, values in frozen.answer["losses"].items()},
        first_divergence=divergence,
        warnings=tuple(dict.fromkeys(warnings)),
        counters=answer["counters"],
    )


def _results(folder: Path, answer: Mapping[str, Any]) -> Any:
    from porter.verify import tensors
    from porter.verify.compare import Results
    from porter.verify.training import INITIAL, RESULTS

    if not (folder / RESULTS).is_file():  # the port's state does not fit the original's
        return Results(answer["state"], answer["losses"], {}, {}, {}, {})
    recorded = tensors.load(folder / RESULTS)
    return Results(answer["state"], answer["losses"], tensors.load(folder / INITIAL), **recorded)


def _divergence(case: Case, frozen: _Frozen, out: Path) -> str:
    """Where the port's forward pass leaves the original's, which is run once more for this."""
    from porter.verify import tensors
    from porter.verify.divergence import first_divergence
    from porter.verify.training import LAYERS

    if isinstance(case, CommandCase):
        return "layers of commands are not seen: write a factory for that"
    if not (out / LAYERS).is_file():
        return "in the state dict: nothing was run"
    with scratch() as again:
        try:
            answer = frozen.compute(again, given=frozen.folder, layers=True)
        except Failed:
            return "not known: the original failed when it was run again"
        for name, values in frozen.answer["losses"].items():
            for then, now in zip(values, answer["losses"].get(name, ()), strict=True):
                if abs(then - now) > LAYERS_AGREE * abs(then):
                    return "not known: the original gives other losses when it is run again"
        return first_divergence(
            tensors.load(again / LAYERS), tensors.load(out / LAYERS), case.precision, case.tolerance
        )


def _reason(failed: Sequence[Any]) -> str:
    if not failed:
        return ""
    first = failed[0]
    what = f"{first.kind} `{first.name}`" if first.name != first.kind else first.kind
    why = first.note
    if first.limit is not None:
        over = first.maximum is not None and first.maximum > first.limit
        value, limit = (first.maximum, first.limit) if over else (first.cosine, first.cosine_limit)
        why = f"differs by {value:.2g}, limit {limit:g}" if over else f"1 - cosine is {value:.2g}, limit {limit:g}"
    others = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    return f"{what}: {why}{others}"


def _outcome(suite: Suite, case: Case, backend: str, verdict: Verdict, **more: Any) -> Outcome:
    return Outcome(suite=suite.name, case=case.name, backend=backend, verdict=verdict, precision=case.precision, **more)
