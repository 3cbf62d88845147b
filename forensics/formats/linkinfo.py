r"""The LinkInfo part of a shell link: on which volume or share the target lay, and its path there.

Its 8-bit strings are in the code page of the machine that wrote them, which no field names. Windows adds UTF-16 forms
only where a path does not fit that code page, so a Japanese path of a Japanese machine is there in code page 932
alone. `CodePage` finds which one it was by the names that the same link holds in UTF-16; where nothing shows it, the
text is read as Windows-1252 and `guessed` says so.
Format: Microsoft, [MS-SHLLINK] 2.3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from forensics.formats import FormatError

_DRIVES = ("unknown", "no root", "removable", "fixed", "network", "optical", "RAM disk")
_HEADER, _HEADER_WITH_UNICODE = 0x1C, 0x24
_HAS_VOLUME, _HAS_SHARE = 1, 2
_VALID_DEVICE = 1
_LONGEST = 64 * 1024  # bytes: a path of Windows has at most 32,767 characters
_VOLUME_UNICODE = 0x14  # an offset of the label that means that the UTF-16 one follows
_SHARE_UNICODE = 0x14
_CODE_PAGES = ("cp932", "cp936", "cp949", "cp950", "cp1252", "cp1251", "cp1250", "utf-8")


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """`local_path` and `share` are without `suffix`, as stored. `serial` as `vol` shows it: `1A2B-3C4D`."""

    drive_type: str | None = None
    serial: str | None = None
    label: str | None = None
    local_path: str | None = None
    share: str | None = None
    device: str | None = None
    suffix: str = ""
    guessed: bool = False

    @property
    def path(self) -> str | None:
        """The whole local path."""
        return f"{self.local_path}{self.suffix}" if self.local_path else None

    @property
    def network_path(self) -> str | None:
        """The whole path on the share."""
        if not self.share:
            return None
        return f"{self.share}\\{self.suffix}" if self.suffix else self.share


class CodePage:
    """Reads 8-bit strings with the code page that makes them fit what is known in UTF-16.

    `stated` is the code page that the link itself names (its console block), 0 when none; `known` are texts.
    """

    def __init__(self, known: tuple[str, ...], stated: int = 0) -> None:
        self._known = "\n".join(known).casefold()
        self._order = (f"cp{stated}", *_CODE_PAGES) if stated else _CODE_PAGES
        self._shown = ""  # the code page that a text of this link has shown: one machine wrote them all
        self.guessed = False

    def text(self, raw: bytes) -> str:
        """The text of `raw`."""
        if raw.isascii():
            return raw.decode("ascii")
        for name in self._order:
            try:
                text = raw.decode(name)
            except (UnicodeDecodeError, LookupError):
                continue
            if name == self._shown or self._fits(text):
                self._shown = name
                return text
        self.guessed = True
        return raw.decode("cp1252", "replace")

    def _fits(self, text: str) -> bool:
        """Whether every part of a path that needs the code page is known in UTF-16 as well."""
        parts = [part for part in text.casefold().split("\\") if not part.isascii()]
        return bool(parts) and all(part in self._known for part in parts)


def read(block: bytes, base: int, page: CodePage, problems: list[FormatError]) -> LinkInfo:
    """Read a LinkInfo structure (its whole bytes; `base` is where it stands in the file). Never raises."""
    if len(block) < _HEADER:
        problems.append(FormatError("link info is shorter than its header", base))
        return LinkInfo()
    header, flags, volume_at, local_at, share_at, suffix_at = struct.unpack_from("<6I", block, 4)
    parts = _Parts(block, base, page, problems)
    wide_local = wide_suffix = 0
    if header >= _HEADER_WITH_UNICODE and len(block) >= _HEADER_WITH_UNICODE:
        wide_local, wide_suffix = struct.unpack_from("<2I", block, _HEADER)
    # Paths first: they show the code page of the names.
    local = parts.text(local_at, wide_local, "local path") if flags & _HAS_VOLUME else None
    suffix = parts.text(suffix_at, wide_suffix, "path suffix") or ""
    volume = parts.volume(volume_at) if flags & _HAS_VOLUME else (None, None, None)
    share = parts.share(share_at) if flags & _HAS_SHARE else (None, None)
    return LinkInfo(*volume, local, *share, suffix, page.guessed)


@dataclass(frozen=True, slots=True)
class _Parts:
    block: bytes
    base: int
    page: CodePage
    problems: list[FormatError]

    def lost(self, what: str, at: int) -> None:
        self.problems.append(FormatError(f"the {what} lies outside the link info", self.base + at))

    def text(self, at: int, wide_at: int, what: str) -> str | None:
        """The UTF-16 string at `wide_at` where there is one, else the 8-bit one at `at`; offsets of 0 are none."""
        return self._string(wide_at, what, _wide) or self._string(at, what, self._narrow)

    def _string(self, at: int, what: str, reader: Callable[[bytes], str | None]) -> str | None:
        if not at:
            return None
        text = reader(self.block[at : at + _LONGEST]) if at < len(self.block) else None
        if text is None:
            self.lost(what, at)
        return text or None

    def _narrow(self, raw: bytes) -> str | None:
        end = raw.find(b"\0")
        return None if end < 0 else self.page.text(raw[:end])

    def volume(self, at: int) -> tuple[str | None, str | None, str | None]:
        """Drive type, serial number and label."""
        if at + 16 > len(self.block):
            self.lost("volume", at)
            return None, None, None
        size, drive, serial, label_at = struct.unpack_from("<4I", self.block, at)
        kind = _DRIVES[drive] if drive < len(_DRIVES) else f"type {drive}"
        wide_at = 0
        if label_at == _VOLUME_UNICODE and at + 20 <= len(self.block):
            wide_at, label_at = struct.unpack_from("<I", self.block, at + 16)[0], 0
        if max(wide_at, label_at) >= max(size, 16):
            self.lost("volume label", at)
            return kind, _serial(serial), None
        label = self.text(label_at and at + label_at, wide_at and at + wide_at, "volume label")
        return kind, _serial(serial), label

    def share(self, at: int) -> tuple[str | None, str | None]:
        """The share (`\\\\server\\share`) and the drive letter that it had."""
        if at + 20 > len(self.block):
            self.lost("network share", at)
            return None, None
        _, flags, name_at, device_at, _ = struct.unpack_from("<5I", self.block, at)
        wide_name = wide_device = 0
        if name_at > _SHARE_UNICODE and at + 28 <= len(self.block):
            wide_name, wide_device = struct.unpack_from("<2I", self.block, at + 20)
        name = self.text(name_at and at + name_at, wide_name and at + wide_name, "share name")
        if not flags & _VALID_DEVICE:
            return name, None
        return name, self.text(device_at and at + device_at, wide_device and at + wide_device, "device name")


def _serial(value: int) -> str:
    return f"{value >> 16:04X}-{value & 0xFFFF:04X}"


def _wide(raw: bytes) -> str | None:
    """A UTF-16 string up to its NUL; None without one."""
    end = raw.find(b"\0\0")
    while end % 2 and end > 0:  # the halves of two characters
        end = raw.find(b"\0\0", end + 1)
    return None if end < 0 else raw[:end].decode("utf-16-le", "surrogatepass")
