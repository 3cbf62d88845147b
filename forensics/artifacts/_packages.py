"""What the artifacts of Store packages share: reading a package's full name."""

from __future__ import annotations

from forensics.artifacts._evtx import Made


def package(full_name: str | None) -> Made:
    """Name and version out of `<name>_<version>_<architecture>_<resource>_<publisher id>`.

    `package_name` stays the full name, as the log has it; a family name (`<name>_<publisher id>`) has no version.
    """
    parts = (full_name or "").split("_")
    return {"package_name": full_name, "package_version": parts[1] if len(parts) == 5 and parts[1] else None}
