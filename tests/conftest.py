"""Makes pytest collect the literate cases: see `tests/literate.py` for how they are written."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest._code.code import TerminalRepr, Traceback

from tests.literate import BadCase, Case, parse, update

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: children would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

LITERATE = tuple(Path(__file__).parent / name for name in ("rules", "together", "tricky"))
UPDATE = bool(os.environ.get("UPDATE"))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take every Markdown file below the folders of literate cases."""
    if file_path.suffix == ".md" and any(folder in file_path.parents for folder in LITERATE):
        return Document.from_parent(parent, path=file_path)
    return None


class Document(pytest.File):
    """A Markdown file of cases."""

    def collect(self) -> Iterator[pytest.Item]:
        seen: dict[str, int] = {}
        for ordinal, case in enumerate(parse(self.path.read_text(encoding="utf-8"))):
            name = " / ".join(case.heading) or "(top)"
            seen[name] = seen.get(name, 0) + 1
            name += f" #{seen[name]}" if seen[name] > 1 else ""
            yield CaseItem.from_parent(self, name=name, case=case, ordinal=ordinal)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """Say what is wrong with the document without a traceback through pytest."""
        if isinstance(excinfo.value, BadCase):
            return f"{self.path.name}: {excinfo.value}"
        return super().repr_failure(excinfo)


class Disagreement(Exception):
    """porter and a case do not say the same."""


class CaseItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, ordinal: int, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.case = case
        self.ordinal = ordinal

    def runtest(self) -> None:
        from tests.prove import prove  # not at the top: a broken engine must not break the collection

        with tempfile.TemporaryDirectory(prefix="porter-case-") as folder:
            outcome = prove(self.case, Path(folder))
        if UPDATE and outcome.fixed:
            text = self.path.read_text(encoding="utf-8")
            self.path.write_text(update(text, outcome.fixed), encoding="utf-8")
        if outcome.failures:
            raise Disagreement("\n\n".join(outcome.failures))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """Show the disagreement alone; anything else is a defect and comes with its traceback."""
        if isinstance(excinfo.value, Disagreement):
            return f"{self.reportinfo()[0]}:{self.case.line}  {self.name}\n\n{excinfo.value}"
        return super().repr_failure(excinfo)

    def _traceback_filter(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Traceback:
        """Begin where the case does: what pytest did before is nobody's concern."""
        return excinfo.traceback.cut(path=__file__)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.line - 1, self.name
