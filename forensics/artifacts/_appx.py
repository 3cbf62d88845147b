"""What the artifacts of the Sandbox's Store package share: telling its name, and the row about one entry."""

from __future__ import annotations

import re
from functools import cache

from forensics.artifacts.base import Kind
from forensics.rules import load

FULL_NAME = re.compile(r"^[^_]{1,80}_(\d{1,5}(?:\.\d{1,5}){1,3})_([^_]{1,20})_[^_]{0,40}_[^_]{1,20}$")

APPX_PACKAGE = Kind(
    "Store package {package_full_name} in {package_register}[ of {profile_user}][ of {user_sid}]",
    {
        "package_full_name": str,
        "package_version": str,
        "package_architecture": str,
        "package_folder": str,
        "package_register": str,
        "profile_user": str,
        "user_sid": str,
        "key_path": str,
        "database_state": str,
    },
)


@cache
def _names() -> tuple[str, ...]:
    return tuple(name.casefold() for name in load("sandbox")["names"]["packages"])


def is_package(name: str) -> bool:
    """Whether this is the full name of a package of Windows Sandbox (a family's name has no version and is none)."""
    return name.casefold().startswith(_names()) and FULL_NAME.match(name) is not None
