"""``python -m tests.pages``: write the pages that are made."""

from __future__ import annotations

from tests.pages.make import ROOT, write

for path in write():
    print(path.relative_to(ROOT))
