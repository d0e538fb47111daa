"""Edits to a comma-separated list, a call's arguments or an import's names, that keep its layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import msgspec

from porter.rules.base import TextEdit

if TYPE_CHECKING:
    import libcst

_COMMENT = re.compile(rb"[ \t\f]*#[^\r\n]*")
_LAST_LINE = re.compile(rb"(\r\n|\r|\n)([^\r\n]*)\Z")


class Element(msgspec.Struct, frozen=True):
    """One element: ``start:end`` without comma, the offset of its comma, and whether it holds a comment."""

    start: int
    end: int
    comma: int | None
    commented: bool


class CommaList:
    """The list in ``text[opens:closes]``, brackets excluded. All offsets are bytes of ``text``.

    Removed elements take their comma and their line with them. A comment belongs to the element before it on its
    line, or to the next one if it has the line for itself: an element with a comment cannot be removed.
    """

    def __init__(self, text: bytes, opens: int, closes: int, elements: Sequence[Element]):
        self.text = text
        self.opens = opens
        self.closes = closes
        self.elements = elements

    def edits(
        self, removed: Collection[int] = (), first: Sequence[str] = (), last: Sequence[str] = ()
    ) -> list[TextEdit] | None:
        """Edits that remove elements by index and put texts before and after the rest; None where a comment forbids."""
        if not all(map(self._removable, removed)):
            return None
        kept = [i for i in range(len(self.elements)) if i not in removed]
        if not kept:
            return self._refill([*first, *last])
        edits = [self._cut(i, j) for i, j in _runs(removed)]
        if first:
            separator = self._separator(min(1, len(self.elements) - 1))
            at = self.elements[0].start
            edits.append(TextEdit(at, at, "".join(f"{text},{separator}" for text in first)))
        if last:
            edits.extend(self._append(kept[-1], last, edits))
        return sorted(edits)

    def _refill(self, texts: Sequence[str]) -> list[TextEdit] | None:
        """Edits where no element stays."""
        if not self.elements:
            return [TextEdit(self.opens, self.opens, ", ".join(texts))] if texts else []
        if texts:
            return [TextEdit(self.elements[0].start, self.elements[-1].end, ", ".join(texts))]
        if self._comment(self.opens, self.closes):
            return None
        return [TextEdit(self.opens, self.closes, "")]

    def _cut(self, i: int, j: int) -> TextEdit:
        """The edit that deletes elements ``i`` to ``j``, which are not all."""
        lead, start, end = self._lead(i), self.elements[i].start, self.elements[j].end
        comma = self.elements[j].comma
        if comma is not None:
            end = comma + 1
        else:
            lead = self.elements[i - 1].end
        following = self._lead_end(j)
        between = self.text[end:following]
        opens_line = i == 0 or _has_newline(self.text[lead:start])
        if j + 1 < len(self.elements) and opens_line and b"#" not in between and (i == 0 or not _has_newline(between)):
            return TextEdit(start, following, "")
        comment = self._comment(self._lead(i), start)
        if comment is None:
            return TextEdit(lead, end, "")
        return TextEdit(comment if _has_newline(between) else start, end, "")

    def _append(self, k: int, texts: Sequence[str], cuts: Sequence[TextEdit]) -> list[TextEdit]:
        """Insertions after element ``k``, the last that stays."""
        element = self.elements[k]
        separator = self._separator(len(self.elements) - 1)
        after = element.end if element.comma is None else element.comma + 1
        has_comma = element.comma is not None and not any(c.start <= element.comma < c.end for c in cuts)
        if not has_comma:
            after = element.end
        limit = self.elements[k + 1].start if k + 1 < len(self.elements) else self.closes
        comment = self._comment(after, limit) if separator != " " else None
        if has_comma:
            return [TextEdit(comment or after, comment or after, "".join(f"{separator}{text}," for text in texts))]
        joined = f",{separator}".join(texts)
        if comment:
            return [TextEdit(after, after, ","), TextEdit(comment, comment, separator + joined)]
        return [TextEdit(after, after, f",{separator}{joined}")]

    def _removable(self, i: int) -> bool:
        element = self.elements[i]
        lead = self._lead(i)
        own_line = b"#" in self.text[self._comment(lead, element.start) or lead : element.start]
        after = element.end if element.comma is None else element.comma + 1
        beside = self._comment(after, self._lead_end(i)) is not None
        return not (element.commented or own_line or beside or b"#" in self.text[element.end : after])

    def _lead(self, i: int) -> int:
        """Where the white space before element ``i`` starts."""
        if i == 0:
            return self.opens
        comma = self.elements[i - 1].comma
        assert comma is not None
        return comma + 1

    def _lead_end(self, i: int) -> int:
        return self.elements[i + 1].start if i + 1 < len(self.elements) else self.closes

    def _comment(self, start: int, end: int) -> int | None:
        """End of the comment on the first line of ``start:end``, where there is one."""
        match = _COMMENT.match(self.text, start, end)
        return match.end() if match else None

    def _separator(self, i: int) -> str:
        """What stands before element ``i``, and thus before a new one: a space, or a line break and indentation."""
        match = _LAST_LINE.search(self.text[self._lead(i) : self.elements[i].start])
        return match.group().decode() if match else " "


def elements(
    nodes: Sequence[libcst.Arg] | Sequence[libcst.ImportAlias], start: int, code: Callable[[libcst.CSTNode], str]
) -> tuple[list[Element], int]:
    """The elements that ``nodes`` are, the first at offset ``start``; and the offset behind the last."""
    import libcst

    found = []
    for node in nodes:
        whole = len(code(node).encode())
        bare = node.with_changes(comma=libcst.MaybeSentinel.DEFAULT)
        if isinstance(bare, libcst.Arg):
            bare = bare.with_changes(whitespace_after_arg=libcst.SimpleWhitespace(""))
        end = start + len(code(bare).encode())
        comma = None
        if isinstance(node.comma, libcst.Comma):
            comma = end + len(code(node.comma.whitespace_before).encode())
        found.append(Element(start, end, comma, _has_comment(bare)))
        start += whole
    return found, start


def _has_comment(node: libcst.CSTNode) -> bool:
    import libcst

    return isinstance(node, libcst.Comment) or any(map(_has_comment, node.children))


def _has_newline(text: bytes) -> bool:
    return b"\n" in text or b"\r" in text


def _runs(indices: Collection[int]) -> list[tuple[int, int]]:
    """Neighbouring indices, joined: {0, 1, 3} is (0, 1), (3, 3)."""
    runs: list[tuple[int, int]] = []
    for i in sorted(indices):
        if runs and runs[-1][1] == i - 1:
            runs[-1] = (runs[-1][0], i)
        else:
            runs.append((i, i))
    return runs
