"""Decoders: bytes in, plain structures out. They know no Fact, no evidence and no path on the examiner's machine."""

from __future__ import annotations


class FormatError(ValueError):
    """The bytes are not what the format says; `offset` is where in the file, or None when it is the whole file."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} at offset 0x{offset:x}")
        self.offset = offset
