"""What ran on the device, for people: the most telling first, and at most a screen unless asked for all."""

from __future__ import annotations

import linecache
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from porter.launch.frames import Place, shown
from porter.launch.rules import judge
from porter.report.excerpt import columns, display
from porter.report.paint import Paint
from porter.report.words import plural

if TYPE_CHECKING:
    from porter.launch.plan import Plan
    from porter.launch.record import Record

MOST = 4  # rows of a section, without -v
MOST_OPERATORS = 6
WIDEST = 120  # columns; long lines are hard to read
GAP = "  "
LONGEST_PLACE = 40  # columns
LEFT = 7  # columns of a count, at least
STAR = "[*]"  # porter rewrites it

COPIES = {"h2d": "to the device", "d2h": "to the host", "d2d": "within the device"}
WAITS = {"item": "one value read", "print": "tensor printed", "synchronize": "synchronize()"}
# What moves or renames memory and computes nothing: told after all else.
IDLE = frozenset(
    {"_local_scalar_dense", "_reshape_alias", "_to_copy", "alias", "as_strided", "copy_", "detach", "view"}
)


class Section(NamedTuple):
    """A table: a title, rows of cells (the first a count, the last one cut at need), how many are shown without -v."""

    title: str
    rows: Sequence[tuple[str, ...]]
    most: int = MOST
    note: str = ""
    style: str = ""


def as_json(record: Record) -> Iterator[str]:
    """The record as one line of JSON."""
    yield msgspec.json.encode(record).decode()


def as_text(record: Record, others: Sequence[Record], plan: Plan) -> Iterator[str]:
    """The record as lines. ``others`` are processes that used the device beside it."""
    paint = Paint(plan.color)
    yield ""
    yield paint(f"porter: {_headline(record, others)}", "bold")
    for section in _sections(record, plan):
        if section.rows:
            yield ""
            yield from _table(section, plan, paint)
    if not record.used and not record.asked:
        yield "It moved nothing to `neuron` and did not ask for CUDA either: all of it ran on CPU."
    if record.used and record.note:
        yield ""
        yield paint(record.note, "dim")


def _headline(record: Record, others: Sequence[Record]) -> str:
    if not record.used:
        return f"nothing ran on {record.device}."
    ranked = 1 + sum(other.rank is not None for other in others)
    whose = f" in rank {record.rank} of {record.ranks or ranked}" if record.rank is not None else ""
    besides = f"; {plural(len(others), 'more process', 'more processes')} used it, too" if others and not whose else ""
    return f"{plural(record.operators, 'operator')} ran on {record.device}{whose}{besides}."


def _sections(record: Record, plan: Plan) -> Iterator[Section]:
    """The report's tables, the most telling first."""
    trace = record.trace
    yield _asked(record, plan)
    yield Section(
        "Neuron will run these on CPU:" if record.simulated else "These ran on CPU:",
        [(f"{known.count:,}", known.name, f"{known.reason} ({', '.join(known.sources)})") for known in trace.fallbacks],
        style="yellow",
    )
    yield Section(
        "The program waited for the device:",
        [(f"{s.count:,}", WAITS.get(s.kind, s.kind), *_source(s.path, s.line, plan)) for s in trace.syncs],
    )
    yield Section(
        "Copied between host and device:",
        [
            (f"{t.count:,}", COPIES[t.kind], size(t.nbytes), *_source(t.path, t.line, plan))
            for t in trace.transfers
            if t.kind != "d2d"
        ],
    )
    yield _operators(record)


def _operators(record: Record) -> Section:
    """Operators by name, with all data types that they were given."""
    counts: Counter[str] = Counter()
    dtypes: dict[str, dict[str, None]] = defaultdict(dict)
    for operator in record.trace.operators:
        counts[operator.name] += operator.count
        dtypes[operator.name].update(dict.fromkeys(operator.dtypes))
    every = dict.fromkeys(dtype for found in dtypes.values() for dtype in found)
    title = f"{plural(len(counts), 'kind')} of operators, on {', '.join(every)}:" if every else "Operators:"
    rows = [(f"{count:,}", name, ", ".join(dtypes[name])) for name, count in sorted(counts.items(), key=_telling)]
    return Section(title, rows, MOST_OPERATORS)


def _telling(item: tuple[str, int]) -> tuple[int, int]:
    """Collectives first, for there are few of them; then by count, and what computes nothing last."""
    name, count = item
    namespace, _, operator = name.partition("::")
    return -1 if namespace == "c10d" else int(operator.partition(".")[0] in IDLE), -count


def _asked(record: Record, plan: Plan) -> Section:
    """Where the program asked for CUDA and got a no, with the rule that knows the line."""
    going = "went on" if record.used else "ran on CPU"
    rows = []
    for path, line in dict.fromkeys((ask.path, ask.line) for ask in record.asked):
        count = max(ask.count for ask in record.asked if (ask.path, ask.line) == (path, line))
        place, code = _source(path, line, plan)
        rows.append((f"{count:,}", place, _rule(Place(path, line, line), plan), code))
    note = f"{STAR} `porter rewrite` changes this line." if any(STAR in row[2] for row in rows) else ""
    return Section(f"It asked for CUDA, got a no, and {going}:", rows, note=note, style="yellow")


def _rule(place: Place, plan: Plan) -> str:
    """The rule that has something to say of a line."""
    findings = judge([place], here=plan.here, most=1, elsewhere=False).findings
    return "".join(f"{finding.code} {STAR if finding.fix else ''}" for finding in findings)


def _source(path: str, line: int, plan: Plan) -> tuple[str, str]:
    """A line's place, and its text."""
    if not path:
        return "", ""
    place = f"{shown(path, plan.here)}:{line}"
    short = place if len(place) <= LONGEST_PLACE else "..." + place[3 - LONGEST_PLACE :]
    return short, display(linecache.getline(path, line).strip())


def _table(section: Section, plan: Plan, paint: Paint) -> Iterator[str]:
    """A section's lines: counts to the right, cells below one another, the last one cut where there is no room."""
    yield paint(section.title, section.style or "bold")
    rows = section.rows if plan.verbose else section.rows[: section.most]
    widths = [max(map(columns, cells)) for cells in zip(*rows, strict=True)]
    room = min(plan.columns, WIDEST) - 1
    for row in rows:
        first, *middle, last = row
        cells = [f"{first:>{max(widths[0], LEFT)}}"]
        cells += [cell + " " * (width - columns(cell)) for cell, width in zip(middle, widths[1:-1], strict=True)]
        line = GAP.join(cells)
        line += GAP + paint(_cut(last, max(room - columns(line) - len(GAP), 0)), "dim")
        yield line.rstrip()
    if left := len(section.rows) - len(rows):
        yield f"{'':>{max(widths[0], LEFT)}}{GAP}{paint(f'and {left:,} more: porter run -v', 'dim')}"
    if section.note:
        yield section.note


def _cut(text: str, width: int) -> str:
    if columns(text) <= width:
        return text
    return text[: width - 3] + "..." if width > 3 else ""


def size(nbytes: int) -> str:
    """``1.5 MiB``."""
    amount = float(nbytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
