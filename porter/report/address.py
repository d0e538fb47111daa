"""Where pages of the documentation are published: the one place that knows.

The project's own URL named "Documentation" is the folder `docs/` as readers reach it. While the project has none,
there are no links, and reports name `porter explain` instead.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, metadata

DISTRIBUTION = "trn-porter"


@lru_cache(maxsize=1)
def home() -> str | None:
    """The folder's address, with a final slash."""
    try:
        urls = metadata(DISTRIBUTION).get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    named = dict(url.split(", ", 1) for url in urls if ", " in url)
    return named["Documentation"].rstrip("/") + "/" if "Documentation" in named else None


def of_rule(name: str) -> str | None:
    """The address of a rule's page."""
    return f"{base}rules/{name}.md" if (base := home()) else None
