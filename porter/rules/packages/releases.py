"""Which releases of a distribution a requirement allows, and where it applies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.requirements import Requirement

# What a marker may ask for: a Linux server, and systems without the device, whichever Python runs there.
_SERVER = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}
_MAC = {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"}
_WINDOWS = {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"}
_OTHERS = (
    {**_MAC, "platform_machine": "arm64"},
    {**_MAC, "platform_machine": "x86_64"},
    {**_WINDOWS, "platform_machine": "AMD64"},
    {**_WINDOWS, "platform_machine": "ARM64"},
)
_PYTHONS = [{"python_version": f"3.{n}", "python_full_version": f"3.{n}.0"} for n in range(8, 15)]
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
    """Whether the requirement may apply on Linux, the one system that has Neuron devices, as far as its marker says.

    It does not if the marker holds for another system, and not there: it is about the system.
    """
    from packaging.markers import UndefinedComparison

    requirement = _parsed(text)
    if requirement is None or requirement.marker is None:
        return True
    try:
        return _holds(requirement.marker, (_SERVER,)) or not _holds(requirement.marker, _OTHERS)
    except UndefinedComparison:  # `platform_system === "Linux"`: an operator for versions, put between words
        return True


def _holds(marker: Marker, systems: Iterable[dict[str, str]]) -> bool:
    """Whether the marker holds on one of the systems, with one of the releases of Python."""
    return any(marker.evaluate({**system, **python, "extra": ""}) for system in systems for python in _PYTHONS)


def marker_of(text: str) -> str:
    """The requirement's environment marker as it is written; empty where it has none."""
    return text.partition(";")[2].strip()


def _parsed(text: str) -> Requirement | None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement:
        return None
