r"""Sidebar gadgets: small web pages with scripts that Windows Vista and 7 showed on the desktop from logon on.

`Windows Sidebar\Settings.ini` of a profile has one section for each gadget that is shown; `PrivateSetting_GadgetName`
names its folder. A gadget's scripts run with the user's rights and are not confined, which is why Microsoft withdrew
them in 2012. Those of Windows lie in `Program Files\Windows Sidebar\Gadgets`; others in the profile or wherever the
line says. From Windows 8 on nothing reads the file. Names of the lines: from memory. Mechanism: `sidebar_gadget`.
https://learn.microsoft.com/security-updates/securityadvisories/2012/2719662
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Sidebar Gadgets)
"""

from __future__ import annotations

import re

from forensics.artifacts._autostart import EMITS, file_entry
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats.textfile import decode
from forensics.model import Problem

_LINE = re.compile(r'^\s*PrivateSetting_GadgetName\s*=\s*"?(.*?)"?\s*$', re.IGNORECASE)
_STOCK = re.compile(r"^(?:%programfiles%|[a-z]:\\program files)\\windows sidebar\\(?:shared)?gadgets\\", re.IGNORECASE)
_LIMIT = 1024 * 1024
_MOST = 1000


def parse(given: FileInput) -> Output:
    """One row for each gadget that is shown."""
    data = given.read(_LIMIT)
    if given.size > len(data):
        yield Problem("truncated", "sidebar_gadgets", given.source(), f"only the first {_LIMIT} bytes were read")
    told = 0
    for number, line in enumerate(decode(data).text.splitlines(), 1):
        match = _LINE.match(line)
        if match is None or not match.group(1) or told == _MOST:
            continue
        told += 1
        path = match.group(1)[:4096]
        name = re.split(r"[\\/]", path.rstrip("\\/"))[-1]
        usual = _STOCK.match(path) is not None and ".." not in path
        yield file_entry(given, "sidebar_gadget", path, name=name, locator=f"line {number}", context=usual)


ARTIFACT = FileArtifact(
    name="sidebar_gadgets",
    paths=(
        "Users/*/AppData/Local/Microsoft/Windows Sidebar/Settings.ini",
        "Program Files/Windows Sidebar/Settings.ini",
    ),
    parse=parse,
    emits=EMITS,
)
