"""Why a rule is not evaluated."""

from __future__ import annotations


class UnsupportedError(Exception):
    """A rule asks for something that is not evaluated; `group` is the short reason that such rules are counted by."""

    def __init__(self, group: str, why: str = "") -> None:
        super().__init__(why or group)
        self.group = group
        self.why = why or group
