r"""Office as a way of coming back: add-ins, templates and startup files that its programs load by themselves.

Office is started every day and runs what these places name inside a program that everybody trusts. Told are: add-ins
that load at the start (`LoadBehavior` 3, 8, 9, 16 do; `enabled`), with the library or manifest behind them; the
undocumented `Office test` key, whose library every Office program loads; files that Excel opens by itself (`OPEN`
values) and the folders set for startup files; web addresses as home pages of Outlook's folders, which run script with
the user's rights (switched off by updates of 2017 unless `EnableRoamingFolderHomepages` is set); Outlook's
`LoadMacroProviderOnBoot`. As files: everything in the startup folders of Word and Excel, `Normal.dotm` when it holds
macros, Outlook's `VbaProject.OTM`. That a document holds a VBA project is read, what it does is not. Mechanism:
`office_addin`. https://attack.mitre.org/techniques/T1137/
https://learn.microsoft.com/visualstudio/vsto/registry-entries-for-vsto-add-ins
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator

from forensics.artifacts._autostart import EMITS, file_entry, hive_root, key_entry, writable
from forensics.artifacts._com import SOFTWARE, Registered, default
from forensics.artifacts._tunnel import windows_path
from forensics.artifacts.base import FileArtifact, FileInput, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.model import Fact, Problem

_MECHANISM = "office_addin"
_OFFICE = "Microsoft\\Office"
_PREFIXES = ("", "Wow6432Node\\", "Microsoft\\Office\\ClickToRun\\REGISTRY\\MACHINE\\Software\\", "Policies\\")
_AT_START = frozenset({3, 8, 9, 16})  # 2: loaded until the user switched it off; 8 and 9: on demand
_OPEN = re.compile(r"OPEN\d*$", re.IGNORECASE)
_FOLDERS = frozenset({"startup-path", "altstartup", "startup", "autostart"})
_COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1")
_VBA = "_VBA_PROJECT".encode("utf-16-le")
_LIMIT = 64 * 1024 * 1024


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for each add-in, start file, folder and home page."""
    before, root = hive_root(hive)
    known = Registered(hive, given)
    for prefix in _PREFIXES:
        for key in hive.glob(f"{before}{prefix}{_OFFICE}\\*\\Addins\\*"):
            yield _addin(given, key, root, known)
        for pattern in (f"{_OFFICE}\\*\\*\\Options", f"{_OFFICE}\\*\\*\\Security"):
            for key in hive.glob(f"{before}{prefix}{pattern}"):
                yield from _options(given, key, root)
        for pattern in ("WebView\\*", "Today"):
            for key in hive.glob(f"{before}{prefix}{_OFFICE}\\*\\Outlook\\{pattern}"):
                yield from _home_page(given, key, root)
        for key in hive.glob(f"{before}{prefix}{_OFFICE}\\*\\Outlook"):
            value = key.value("LoadMacroProviderOnBoot")
            if value and value.data == 1:
                yield key_entry(
                    given, key, root, _MECHANISM, value.name, None, value_name=value.name,
                    reason="Outlook loads its macros at the start",
                )  # fmt: skip
        perf = hive.key(f"{before}{prefix}Microsoft\\Office test\\Special\\Perf")
        if perf and default(perf):
            yield key_entry(
                given, perf, root, _MECHANISM, "Office test", default(perf), value_name="",
                reason="every Office program loads this library",
            )  # fmt: skip


def _addin(given: FileInput, key: Key, root: str, known: Registered) -> Fact:
    behaviour = key.value("LoadBehavior")
    number = behaviour.data if behaviour and isinstance(behaviour.data, int) else None
    manifest = key.value("Manifest")
    command = manifest.text() if manifest and manifest.raw else known.server_of(key.name)
    name = key.value("FriendlyName")
    reason = f"LoadBehavior {number}" if number is not None else "no LoadBehavior"
    return key_entry(
        given, key, root, _MECHANISM, key.name, command or None, context=bool(command) and not writable(command),
        enabled=None if number is None else number in _AT_START,
        reason=f"{reason}; {name.text()[:200]}" if name and name.raw else reason,
    )  # fmt: skip


def _options(given: FileInput, key: Key, root: str) -> Iterator[Fact]:
    for value in key.values():
        text = value.text()
        folder = value.name.casefold() in _FOLDERS and ("\\" in text or "/" in text)
        if (_OPEN.match(value.name) and text) or folder:
            yield key_entry(
                given, key, root, _MECHANISM, value.name, text, value_name=value.name,
                reason="a folder whose files are opened at the start" if folder else "opened at the start of Excel",
            )  # fmt: skip


def _home_page(given: FileInput, key: Key, root: str) -> Iterator[Fact]:
    for value in filter(None, (key.value("URL"), key.value("UserDefinedUrl"))):
        if not value.text():
            continue
        yield key_entry(
            given, key, root, _MECHANISM, f"{key.name} home page", value.text(), value_name=value.name,
            reason="home page of a folder of Outlook",
        )  # fmt: skip


def parse_file(given: FileInput) -> Output:
    """One row for a file that Office loads by itself; a template without macros is context."""
    path = windows_path(given.path)
    name = path.rpartition("\\")[2].casefold()
    if name.startswith("~$") or name == "desktop.ini":
        return
    data = given.read(_LIMIT)
    try:
        macros = _has_macros(given, data)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, zlib.error, struct.error) as error:
        yield Problem("bad_record", "office_startup_files", given.source(), f"its parts cannot be listed: {error}")
        macros = None
    template = name in ("normal.dotm", "normal.dot", "normalemail.dotm")
    reasons = {True: "holds a VBA project", False: "holds no macros", None: "whether it holds macros is not known"}
    reason = reasons[macros] if data[:2] != b"MZ" else "a program library"
    stock = template and macros is False
    yield file_entry(given, _MECHANISM, None if stock else f'"{path}"', context=stock, reason=reason)


def _has_macros(given: FileInput, data: bytes) -> bool | None:
    if data[:2] == b"PK":
        given.fh.seek(0)
        with zipfile.ZipFile(given.fh) as archive:
            return any(name.casefold().endswith("vbaproject.bin") for name in archive.namelist())
    if data[:8] == _COMPOUND:
        return _VBA in data
    return None


ARTIFACT = RegistryArtifact(
    name="office_addins",
    hives=frozenset({"SOFTWARE", "NTUSER"}),
    parse=parse,
    emits=EMITS,
    deleted=True,
    companions=(SOFTWARE,),
)
_ROAMING = "Users/*/AppData/Roaming/Microsoft"
_PROGRAMS = tuple(
    f"{programs}/Microsoft Office/{root}Office*"
    for programs in ("Program Files", "Program Files (x86)")
    for root in ("", "root/")
)
FILES = FileArtifact(
    name="office_startup_files",
    paths=(
        f"{_ROAMING}/Word/STARTUP/*",
        f"{_ROAMING}/Excel/XLSTART/*",
        f"{_ROAMING}/Templates/Normal.dotm",
        f"{_ROAMING}/Templates/Normal.dot",
        f"{_ROAMING}/Templates/NormalEmail.dotm",
        f"{_ROAMING}/Outlook/VbaProject.OTM",
        *(f"{folder}/{name}/*" for folder in _PROGRAMS for name in ("STARTUP", "XLSTART")),
    ),
    parse=parse_file,
    emits=EMITS,
)
