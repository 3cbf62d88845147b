r"""Office as a way of coming back: add-ins, templates and startup files that its programs load by themselves.

Office is started every day and runs what these places name inside a program that everybody trusts. Told are: add-ins
that load at the start (`LoadBehavior` 3, 8, 9, 16 do; `enabled`), with the library or manifest behind them; the
undocumented `Office test` key, whose library every Office program loads; files that Excel opens by itself (`OPEN`
values) and the folders set for startup files; web addresses as home pages of Outlook's folders, which run script with
the user's rights (switched off by updates of 2017 unless `EnableRoamingFolderHomepages` is set); Outlook's
`LoadMacroProviderOnBoot`. As files: everything in the startup folders of Word and Excel, `Normal.dotm` when it holds
macros, Outlook's `VbaProject.OTM`. Of a VBA project the names of macros that run by themselves are read, of a document
whether it loads a template from elsewhere; what the macros do is not judged. Mechanism: `office_addin`. https://attack.mitre.org/techniques/T1137/
https://learn.microsoft.com/visualstudio/vsto/registry-entries-for-vsto-add-ins
"""

from __future__ import annotations

import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from forensics.artifacts._autostart import EMITS, file_entry, hive_root, key_entry, writable
from forensics.artifacts._com import SOFTWARE, Registered, default
from forensics.artifacts._tunnel import windows_path
from forensics.artifacts.base import FileArtifact, FileInput, Output, RegistryArtifact
from forensics.formats import FormatError, vbatext
from forensics.formats.hive import Hive, Key
from forensics.model import Fact, Problem

_MECHANISM = "office_addin"
_OFFICE = "Microsoft\\Office"
_PREFIXES = ("", "Wow6432Node\\", "Microsoft\\Office\\ClickToRun\\REGISTRY\\MACHINE\\Software\\", "Policies\\")
_AT_START = frozenset({3, 8, 9, 16})  # 2: loaded until the user switched it off; 8 and 9: on demand
_OPEN = re.compile(r"OPEN\d*$", re.IGNORECASE)
_FOLDERS = frozenset({"startup-path", "altstartup", "startup", "autostart"})
# Procedures that Word, Excel and Outlook call by their name.
# https://learn.microsoft.com/office/vba/word/concepts/customizing-word/auto-macros
_AUTO = re.compile(
    r"^[ \t]*(?:(?:public|private|static)[ \t]+)*sub[ \t]+(auto_?(?:exec|open|new|close|exit|activate|deactivate)|"
    r"document_(?:open|new|close|beforeclose)|workbook_(?:open|activate|beforeclose|addininstall)|"
    r"application_(?:startup|quit|newmail|newmailex|itemsend|reminder|mapilogoncomplete))\b",
    re.IGNORECASE | re.MULTILINE,
)
# A template that lies on another machine is loaded, with its macros, when the document is opened.
_RELATION = re.compile(r"<relationship\b[^<>]{0,8192}>", re.IGNORECASE)
_TARGET = re.compile(r"\btarget=[\"']((?:https?:|file:/{0,5}(?![a-z]:|/)|\\\\)[^\"'<>]{1,2048})", re.IGNORECASE)
_RELATIONS = 256 * 1024
_USUAL_PROJECT = "vbaproject.bin"
_PROJECT_TYPE = r"application/vnd\.ms-office\.vbaproject\b"
_PROJECT_PART = re.compile(
    rf"<override\b(?=[^<>]{{0,4096}}\bcontenttype=[\"']{_PROJECT_TYPE})[^<>]{{0,4096}}?\bpartname=[\"']([^\"'<>]{{1,1024}})",
    re.IGNORECASE,
)
_ANY_TARGET = re.compile(r"\btarget=[\"']([^\"'<>]{1,2048})", re.IGNORECASE)
_MOST_PARTS, _LEAST_COMPOUND = 5000, 512
_VBA = "_VBA_PROJECT".encode("utf-16-le")
# What a damaged, encrypted or unknown package ends in.
_UNREADABLE = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, zlib.error, struct.error, RuntimeError)
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
        held = _held(given, data)
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        NotImplementedError,
        zlib.error,
        struct.error,
        RuntimeError,
    ) as error:
        yield Problem("bad_record", "office_startup_files", given.source(), f"its parts cannot be listed: {error}")
        held = _Held(None)
    template = name in ("normal.dotm", "normal.dot", "normalemail.dotm")
    reasons = {True: "holds a VBA project", False: "holds no macros", None: "whether it holds macros is not known"}
    reason = reasons[held.macros] + held.more if data[:2] != b"MZ" else "a program library"
    stock = template and held.macros is False and not held.more
    yield file_entry(given, _MECHANISM, None if stock else f'"{path}"', context=stock, reason=reason)


@dataclass(frozen=True, slots=True)
class _Held:
    """What an Office file holds: a VBA project or not (None: not known), and what of it runs or loads by itself."""

    macros: bool | None
    more: str = ""


def _held(given: FileInput, data: bytes) -> _Held:
    if data[:2] == b"PK":
        given.fh.seek(0)
        with zipfile.ZipFile(given.fh) as archive:
            return _package(archive)
    if vbatext.is_compound(data):
        return _Held(True, _by_itself(data)) if _VBA in data else _Held(False)
    return _Held(None)


def _package(archive: zipfile.ZipFile) -> _Held:
    more = ""
    projects = _projects(archive)
    for name in archive.namelist():
        if name in projects:
            more += _by_itself(_part(archive, name, _LIMIT))
        elif name.casefold().endswith("settings.xml.rels"):
            more += _template(_part(archive, name, _RELATIONS).decode("utf-8", "replace"))
    renamed = sorted(name for name in projects if not name.casefold().endswith(_USUAL_PROJECT))
    if renamed:
        more += f"; its project is called {', '.join(renamed[:4])[:300]}"
    return _Held(bool(projects), more)


def _projects(archive: zipfile.ZipFile) -> set[str]:
    """The parts that hold a VBA project: by content type, by relationship, by name, or by what is in them.

    Office goes by relationship and type; the usual name is a habit.
    """
    names = {name.casefold(): name for name in archive.namelist()}
    meant = {folded for folded in names if folded.endswith(_USUAL_PROJECT)}
    for folded, name in list(names.items())[:_MOST_PARTS]:
        if folded == "[content_types].xml":
            text = _part(archive, name, _RELATIONS).decode("utf-8", "replace")
            meant |= {path.casefold().lstrip("/") for path in _PROJECT_PART.findall(text)}
        elif folded.endswith(".rels"):
            text = _part(archive, name, _RELATIONS).decode("utf-8", "replace")
            meant |= {_resolved(folded, item) for item in _RELATION.findall(text) if "/vbaproject" in item.casefold()}
        elif "/embeddings/" not in folded and _is_project(archive, name):
            meant.add(folded)
    return {names[folded] for folded in meant if folded in names}


def _resolved(relations: str, item: str) -> str:
    """The part that a relationship in `word/_rels/document.xml.rels` leads to."""
    target = _ANY_TARGET.search(item)
    folder = posixpath.dirname(posixpath.dirname(relations))
    return posixpath.normpath(posixpath.join("/", folder, target.group(1).casefold())).lstrip("/") if target else ""


def _is_project(archive: zipfile.ZipFile, name: str) -> bool:
    if archive.getinfo(name).file_size < _LEAST_COMPOUND or not vbatext.is_compound(_part(archive, name, 8)):
        return False
    return _VBA in _part(archive, name, _LIMIT)


def _template(relations: str) -> str:
    """The template of a document that lies on another machine."""
    for item in _RELATION.findall(relations):
        target = _TARGET.search(item)
        if target and "attachedtemplate" in item.casefold() and "external" in item.casefold():
            return f"; attaches a template from {target.group(1)[:500]}"
    return ""


def _part(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as part:
        return part.read(limit)


def _by_itself(data: bytes) -> str:
    """Which macros Office runs without being asked, by their names in the source."""
    try:
        found = [match for text in vbatext.sources(data) for match in _AUTO.findall(text)]
    except FormatError:
        return ""
    names = sorted(dict.fromkeys(found), key=str.casefold)
    return f"; runs by itself: {', '.join(names)}" if names else ""


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
