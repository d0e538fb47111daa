"""porter's part in the program's process: the device at the start, and what there is to say at the end."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import msgspec

from porter.launch.asked import Asked
from porter.launch.frames import trim
from porter.launch.plan import Plan, current
from porter.launch.record import Record, gather, rank, take

RANK = "{rank}"  # in the name of a trace file: every rank writes its own
REFUSED = 2  # exit status where the device cannot be had


def begin() -> None:
    """Give this process its device, once it has imported torch, and see to what is said when it ends.

    Raises SystemExit where the simulated device cannot work here.
    """
    if plan := current():
        if plan.simulated:
            _simulate(plan)
        Session(plan).open()


def _simulate(plan: Plan) -> None:
    from porter import simulate

    hide_cuda()
    try:
        simulate.install(simulate.Settings(plan.cores, plan.policies, plan.auto_cast))
    except Exception as error:  # whatever it is: torch would show its traceback as the failure of `import torch`
        if os.environ.get("PORTER_TRACEBACK"):
            raise
        clear = isinstance(error, (simulate.SimulationError, ValueError))
        message = str(error) if clear else f"the device cannot be simulated here: {type(error).__name__}: {error}"
        sys.stderr.write(f"porter: {message}\n")
        raise SystemExit(REFUSED) from None


def hide_cuda() -> None:
    """See to it that this machine has no CUDA, as the device's has none. It must not have been used yet."""
    import torch

    if torch.version.cuda or torch.version.hip:  # porter: ignore[PRT206] a build that could find a GPU
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # porter: ignore[PRT801] and finds none


def _trimmed(hook: Callable[..., object]) -> Callable[..., None]:
    """An excepthook that shows a traceback without porter in it."""

    def excepthook(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        if not os.environ.get("PORTER_TRACEBACK"):
            trim(error)
        hook(kind, error, error.__traceback__)

    return excepthook


class Session:
    """One process of a program: the one that the user started, or one that this has started in turn."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.pid = os.getpid()
        self.first = self.pid == plan.pid
        self.asked = Asked()
        self.caught: BaseException | None = None  # what the program was dealing with as it called `sys.exit`

    def open(self) -> None:
        """Watch, and be called when the interpreter ends; `os._exit` and signals end it without."""
        if self.first:
            name = f"porter-run-{self.pid}-{os.urandom(4).hex()}"
            self.plan = msgspec.structs.replace(self.plan, folder=str(Path(tempfile.gettempdir(), name)))
            self.plan.publish()
            if not self.plan.quiet and not rank():
                sys.stderr.write(f"porter: running on {self.plan.about} ({self.plan.why})\n")
        self.asked.watch()
        sys.excepthook = _trimmed(sys.excepthook)
        sys.exit = self._exit(sys.exit)
        atexit.register(self.close)

    def close(self) -> None:
        """Say what there is to say. Never changes how the program ends."""
        if os.getpid() != self.pid:  # a fork of it
            return
        with suppress(AttributeError, ValueError, OSError):  # gone, closed, or nobody reads it
            sys.stdout.flush()
        try:
            for line in self._last_words():
                sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except KeyboardInterrupt:
            pass
        except Exception as error:
            if os.environ.get("PORTER_TRACEBACK"):
                raise
            sys.stderr.write(f"porter: internal error at the end of the run: {type(error).__name__}: {error}\n")

    def _exit(self, exit: Callable[..., NoReturn]) -> Callable[..., NoReturn]:
        """`sys.exit` that remembers what is being handled: frameworks show it their own way, then leave."""

        @functools.wraps(exit)
        def leave(*status: object) -> NoReturn:
            self.caught = sys.exc_info()[1]
            exit(*status)

        return leave

    def _last_words(self) -> Iterator[str]:
        from porter.launch.hint import hint

        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        cause = error or self.caught
        hinted = list(hint(cause, self.plan, surely=cause is error)) if isinstance(cause, Exception) else []
        yield from ["", *hinted] if hinted else []
        if self.plan.trace != "none":
            record = take(self.plan, self.asked.all())
            yield from self._report(record, failed=bool(error or hinted))

    def _report(self, record: Record, *, failed: bool) -> Iterator[str]:
        """Tell what happened, or leave it to the process that tells: the first, and of several ranks the lowest."""
        alone = RANK not in (self.plan.trace_file or "")  # one report for all ranks
        if not self.first:
            if record.used:
                record.write(Path(self.plan.folder, f"{self.pid}.json"))
                if not alone:
                    yield from self._deliver(record, ())
            return
        others = self._others()
        if not record.used and others:
            if alone:
                yield from self._deliver(others[0], others[1:])
        elif not (alone and record.rank) and (record.used or not failed):
            yield from self._deliver(record, others)

    def _deliver(self, record: Record, others: Sequence[Record]) -> Iterator[str]:
        """Yield the report for standard error, or write it to the file that was asked for."""
        from porter.launch.summary import as_json, as_text

        plan = self.plan
        if plan.trace_file is None:
            if not plan.quiet:
                yield from as_json(record) if plan.trace == "json" else as_text(record, others, plan)
            return
        file = Path(plan.trace_file.replace(RANK, str(record.rank or 0)))
        plain = msgspec.structs.replace(plan, color=False)
        lines = as_json(record) if plan.trace == "json" else as_text(record, others, plain)
        try:
            file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        except OSError as error:
            yield f"porter: the trace cannot be written: {error}"

    def _others(self) -> list[Record]:
        """What the processes that this one has started left for its report."""
        folder = Path(self.plan.folder)
        try:
            return gather(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
