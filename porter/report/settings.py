"""The settings of a run, and who has set each: `check --explain-config`. What is printed is TOML."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from porter.config import COMPUTED, Settings, relative

PATHS = ("baseline", "cache_dir", "catalogue")  # absolute once loaded


def explain(settings: Settings, origins: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield every key of ``[tool.porter]`` with its value, and behind it where that is from."""
    yield f"# Paths and patterns are relative to {settings.root}\n"
    for field in msgspec.structs.fields(Settings):
        if field.name in COMPUTED:
            continue
        key, value = field.encode_name, getattr(settings, field.name)
        if field.name == "target" and len(settings.targets) > 1:
            value = settings.targets
        if field.name in PATHS and value:
            value = (
                _inside(value, settings.root) if isinstance(value, str) else [_inside(v, settings.root) for v in value]
            )
        where = ", ".join(_shown(origin) for origin in origins.get(key, ())) or "default"
        if value is None:
            yield f"# {key} is not set\n"
        else:
            yield f"{key} = {_toml(msgspec.to_builtins(value))}  # {where}\n"


def _inside(path: str, root: str) -> str:
    inside = relative(path, root)
    return path if inside.startswith("../") else inside


def _shown(origin: str) -> str:
    return relative(origin, os.curdir) if os.path.isabs(origin) else origin  # noqa: PTH117


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_toml(key)} = {_toml(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return msgspec.json.encode(value).decode()
