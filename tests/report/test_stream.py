"""JSON in pieces is the JSON in one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from porter.report.stream import HOLE, dump, stream

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text().filter(lambda text: text != HOLE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(PLAIN, PLAIN, st.lists(PLAIN, max_size=4))
def test_pieces_are_the_whole(before: object, after: object, items: list[object]) -> None:
    for wrap in (
        lambda hole: hole,
        lambda hole: {"a": before, "items": hole, "z": after},
        lambda hole: {"runs": [{"a": before, "results": hole, "z": after}]},
    ):
        assert "".join(stream(wrap(HOLE), items)) == dump(wrap(items))
