"""Report.wer: what Windows Error Reporting noted about a crash, as `key=value` lines of UTF-16.

Keys with a number in brackets come as pairs (`Sig[3].Name=Fault Module Name`, `Sig[3].Value=x.dll`) or as lists
(`LoadedModule[0]=...`). The shape is from public reports of Windows 7 to 10 (an article on WinSCP's crash, sandbox
reports); names of a signature are in the language of Windows, its numbers are not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from forensics.formats import FormatError
from forensics.formats.textfile import decode
from forensics.times import Moment, NoTime, from_filetime

SIZE_LIMIT = 4 * 1024 * 1024
_MODULES = 1000
_PAIR = re.compile(r"^(Sig|DynamicSig|OsInfo|State)\[(\d{1,4})\]\.(Name|Key|Value)$")
_LIST = re.compile(r"^(LoadedModule|UI|File)\[(\d{1,4})\]")


@dataclass(frozen=True, slots=True)
class Report:
    """A report: its plain keys (lower case), its signature by number, and the loaded modules in order.

    `signature` maps the place (`sig[3]`) to the value; what a number means depends on the event type.
    """

    values: dict[str, str]
    signature: dict[str, str]
    modules: tuple[str, ...]
    damaged: bool
    modules_left_out: int = 0

    def get(self, name: str) -> str:
        """A plain value; "" when it is absent."""
        return self.values.get(name.casefold(), "")

    def moment(self, name: str) -> Moment:
        """A FILETIME in decimal as a time."""
        text = self.get(name)
        if not text.isascii() or not text.isdecimal() or len(text) > 20:
            return NoTime("absent" if not text else "not a number", text)
        return from_filetime(int(text))


def read(data: bytes) -> Report:
    """A report out of a file's bytes. Raises FormatError when it is none."""
    decoded = decode(data)
    values: dict[str, str] = {}
    pairs: dict[str, dict[str, str]] = {}
    modules: list[str] = []
    for line in decoded.text.splitlines():
        key, equals, value = line.partition("=")
        if not equals:
            continue
        pair, item = _PAIR.match(key), _LIST.match(key)
        if pair:
            pairs.setdefault(f"{pair.group(1)}[{pair.group(2)}]", {})[pair.group(3)] = value
        elif item and item.group(1) == "LoadedModule":
            modules.append(value)
        else:
            values.setdefault(key.strip().casefold(), value.strip())
    if "eventtype" not in values and "version" not in values:
        raise FormatError("not an error report: neither Version nor EventType", 0)
    signature = {place.casefold(): entry.get("Value", "") for place, entry in pairs.items()}
    return Report(values, signature, tuple(modules[:_MODULES]), decoded.damaged, max(0, len(modules) - _MODULES))
