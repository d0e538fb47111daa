"""Which findings a baseline knows after its code has moved, changed its layout, its file, or itself."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from porter.gate.baseline import Entry
from porter.gate.match import Matched, match
from porter.model import Effort, Finding, Verdict


def entry(path: str, text: str, symbol: str = "torch.Tensor.cuda", code: str = "PRT102") -> Entry:
    return Entry(path, code, symbol, text)


def finding(entry: Entry, line: int) -> Finding:
    place = (entry.path, line, 1, line, 2, None)
    judged = (Verdict.AUTO, "moves", "", False, Effort.NONE, None, None, "")
    return Finding(*place, entry.code, "cuda-method", entry.symbol, *judged, entry.text)


def run(
    known: list[Entry], now: list[Entry], *, gone: tuple[str, ...] = (), moved: dict[str, str] | None = None, touched=()
) -> Matched:  # type: ignore[no-untyped-def]
    """Compare; findings stand on line 1, 2, ..."""
    checked = {e.path for e in now} | set(gone)
    pairs = [(e, finding(e, line)) for line, e in enumerate(now, 1)]
    return match(known, pairs, checked.__contains__, lambda: moved or {}, lambda f: f.line in touched)


def lines(matched: Matched) -> list[int]:
    return [f.line for f in matched.new]


A, B = entry("a.py", "x = f().cuda()"), entry("a.py", "y = g().cuda()")


def test_the_same_findings_are_known_in_any_order() -> None:
    assert run([A, B], [B, A]) == Matched([], [])


def test_a_duplicate_is_new() -> None:
    assert lines(run([A], [A, A])) == [2]
    assert lines(run([A, A], [A, A])) == []


def test_of_duplicates_the_one_on_a_changed_line_is_new() -> None:
    assert lines(run([A], [A, A, A], touched={1})) == [1, 3]


def test_layout_is_no_difference() -> None:
    reformatted = [A._replace(text="x = f( ).cuda( ),"), B._replace(text="y   =g().cuda()")]
    assert run([A, B], reformatted) == Matched([], [])
    assert run([entry("a.py", "device='cuda'")], [entry("a.py", 'device = "cuda",')]) == Matched([], [])


def test_an_edited_line_is_the_same_use() -> None:
    assert run([A], [A._replace(text="x = f(1, 2).to(d).cuda()")]) == Matched([], [])


def test_of_an_edited_line_and_a_new_one_the_new_one_is_new() -> None:
    edited, added = A._replace(text="x = f(1).cuda()"), A._replace(text="model.cuda()")
    assert lines(run([A], [added, edited])) == [1]
    assert lines(run([A], [edited, added])) == [2]


def test_another_symbol_is_new() -> None:
    assert run([A], [A._replace(symbol="torch.nn.Module.cuda")]) == Matched(
        [finding(A._replace(symbol="torch.nn.Module.cuda"), 1)], [A]
    )


def test_code_that_moved_to_another_file_is_known() -> None:
    assert run([A, B], [A, B._replace(path="b.py")]) == Matched([], [])
    assert lines(run([A], [A, A._replace(path="b.py")])) == [2]  # copied


def test_a_renamed_file_is_known_though_its_lines_were_edited() -> None:
    now = A._replace(path="b.py", text="x = f(1).cuda()")
    assert lines(run([A], [now], gone=("a.py",))) == [1]
    assert run([A], [now], gone=("a.py",), moved={"a.py": "b.py"}) == Matched([], [])


def test_a_file_that_is_gone_is_found_again_by_what_it_had() -> None:
    now = [A._replace(path="b.py"), B._replace(path="b.py", text="y = g(1).cuda()")]
    assert run([A, B], now, gone=("a.py",)) == Matched([], [])
    still_there = A._replace(symbol="torch.Tensor.is_cuda", text="x.is_cuda")
    assert lines(run([A, B], [*now, still_there])) == [2, 3]


def test_what_is_gone_is_told_as_it_stands_in_the_baseline() -> None:
    assert run([A, B], [B._replace(path="b.py")], gone=("a.py",), moved={"a.py": "b.py"}).gone == [A]


def test_a_run_on_some_files_leaves_the_entries_of_others_alone() -> None:
    copied = A._replace(path="b.py")
    assert run([A], [copied]) == Matched([finding(copied, 1)], [])


def test_many_edited_lines_are_matched_in_no_time() -> None:
    known = [entry("a.py", f"x{i} = f().cuda()") for i in range(3000)]
    now = [entry("a.py", f"x{i} = g().cuda()") for i in range(3001)]
    assert len(run(known, now).new) == 1


some_entries = st.lists(
    st.builds(entry, st.sampled_from("abc"), st.sampled_from(["x()", "y()", "z()"]), st.sampled_from(["s", "t"])),
    max_size=12,
)


@given(some_entries, some_entries)
def test_uses_never_grow_unseen(known: list[Entry], now: list[Entry]) -> None:
    matched = run(known, now, gone=("a", "b", "c"))
    assert len(known) - len(matched.gone) == len(now) - len(matched.new)
    before, after = (Counter((e.code, e.symbol) for e in entries) for entries in (known, now))
    new = Counter((f.code, f.symbol) for f in matched.new)
    assert all(new[kind] >= after[kind] - before[kind] for kind in after)


@given(some_entries, some_entries, st.randoms())
def test_what_was_there_is_never_new(known: list[Entry], added: list[Entry], random) -> None:  # type: ignore[no-untyped-def]
    now = [*known, *added]
    random.shuffle(now)
    matched = run(known, now, gone=("a", "b", "c"))
    assert Counter((f.path, f.code, f.symbol, f.text) for f in matched.new) == Counter(map(tuple, added))
    assert matched.gone == []
