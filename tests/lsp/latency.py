"""How long a keystroke takes: ``python -m tests.lsp.latency FOLDER FILE``, the file by its path in the folder.

Measured as an editor sees it: from the change to the diagnostics of that version, the server's pause included.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

from tests.lsp.client import serve

KEYSTROKES = 20


def main(folder: Path, name: str) -> None:
    """Print the milliseconds of each kind of answer."""
    text = (folder / name).read_text(encoding="utf-8")
    line = text.count("\n") // 2
    place = {"line": line, "character": 0}
    with serve(folder) as client:
        begin = time.perf_counter()
        uri = client.open(folder / name)
        client.diagnostics(uri)
        alone = time.perf_counter() - begin
        found = client.settled(uri)
        whole = time.perf_counter() - begin
        times = []
        for version in range(2, 2 + KEYSTROKES):
            begin = time.perf_counter()
            client.change(uri, version, {"range": {"start": place, "end": place}, "text": "#\n"})
            found = client.diagnostics(uri, version)
            times.append(time.perf_counter() - begin)
            time.sleep(0.1)
    lines = text.count("\n")
    print(f"{name}: {lines:,} lines, {len(found)} diagnostics")
    print(f"opened {alone * 1000:.0f} ms, with the folder {whole * 1000:.0f} ms")
    print(f"keystroke {median(times) * 1000:.0f} ms (median), {max(times) * 1000:.0f} ms (slowest of {KEYSTROKES})")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
