"""Write ``compiled.json`` from the TOML files: ``python -m porter.catalog.compile``.

One row a line, so that a change of one row is a change of one line.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec

from porter.catalog import COMPILED, digest, toml_files
from porter.catalog.read import read_files
from porter.catalog.schema import CatalogueError, CatalogueFile


def render(files: Sequence[CatalogueFile], key: str) -> str:
    """The JSON document for built-in files whose contents have the digest ``key``."""
    return f'{{"digest":"{key}","files":[\n{",".join(_file(file) for file in files)}]}}\n'


def _file(file: CatalogueFile) -> str:
    rows = ",\n".join(_json(row) for row in file.row)
    return f'{{"title":{_json(file.title)},"checked":{_json(file.checked)},"row":[\n{rows}\n]}}\n'


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def main() -> None:
    """Compile the catalogue, or exit with the first defect found in a TOML file."""
    paths = toml_files()
    try:
        files = read_files(paths)
    except CatalogueError as error:
        sys.exit(str(error))
    new = COMPILED.with_suffix(".new")
    new.write_text(render(files, digest(paths)), encoding="utf-8")
    new.replace(COMPILED)
    for path, file in zip(paths, files, strict=True):
        print(f"{path.name}: {len(file.row)} rows")


if __name__ == "__main__":
    main()
