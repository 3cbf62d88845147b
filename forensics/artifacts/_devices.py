"""Which devices of a host bear on virtual disks and machines (rules/devices.yml)."""

from __future__ import annotations

from functools import cache

from forensics.rules import load


@cache
def _beginnings() -> tuple[str, ...]:
    return tuple(text.casefold() for text in load("devices")["virtual"])


def is_virtual(device_id: str) -> bool:
    """Whether a device with this id is a virtual disk, or belongs to the bus of virtual machines."""
    return device_id.casefold().startswith(_beginnings())
