"""Which releases of a distribution a requirement allows, and where it applies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# Linux first; a marker that holds for another of them, and not there, is about the system.
_SYSTEMS = (
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
)
_LATEST = "9999"
_PATCHES = range(6)
_PINS = ("==", "===", "~=", "<", "<=")


def shuts_out(text: str, releases: Iterable[str]) -> bool:
    """Whether the requirement allows no patch of any of ``releases``. False where it cannot be read."""
    requirement = _parsed(text)
    if requirement is None or not requirement.specifier:
        return False
    versions = (f"{release}.{patch}" for release in releases for patch in _PATCHES)
    return not any(requirement.specifier.contains(version, prereleases=True) for version in versions)


def reaches(text: str, least: str) -> bool:
    """Whether the requirement allows ``least``, or any release after it. True where it cannot be read."""
    from packaging.version import Version

    requirement = _parsed(text)
    if requirement is None or not requirement.specifier:
        return True
    named = (clause.version.removesuffix(".*") for clause in requirement.specifier)
    allowed = (v for v in (least, _LATEST, *named) if requirement.specifier.contains(v, prereleases=True))
    return any(Version(version) >= Version(least) for version in allowed)


def pinned(text: str) -> bool:
    """Whether the requirement keeps out later releases."""
    requirement = _parsed(text)
    return requirement is not None and any(clause.operator in _PINS for clause in requirement.specifier)


def on_linux(text: str) -> bool:
    """Whether the requirement may apply on Linux, the one system that has Neuron devices, as far as its marker says."""
    from packaging.markers import UndefinedComparison

    requirement = _parsed(text)
    if requirement is None or requirement.marker is None:
        return True
    try:
        applies = [requirement.marker.evaluate({**system, "extra": ""}) for system in _SYSTEMS]
    except UndefinedComparison:  # `platform_system === "Linux"`: an operator for versions, put between words
        return True
    return applies[0] or not any(applies)


def marker_of(text: str) -> str:
    """The requirement's environment marker as it is written; empty where it has none."""
    return text.partition(";")[2].strip()


def _parsed(text: str) -> Requirement | None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement:
        return None
