"""Windows prefetch files (`*.pf`): which program ran, when, how often, and which files it touched while starting.

Decoded by libscca, which is right for all versions where other parsers misread counts and times; here stand the
checks before it, since its input is hostile: a compressed file states the size it unpacks to, and a lie of 4 GiB must
not be believed. Versions 17 (XP), 23 (Vista, 7), 26 (8.1), 30 and 31 (10, 11; compressed as MAM). Format:
https://github.com/libyal/libscca/blob/main/documentation/Windows%20Prefetch%20File%20(PF)%20format.asciidoc
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pyscca

from forensics.formats import FormatError
from forensics.times import Moment, from_filetime

MAX_UNPACKED = 8 * 1024 * 1024  # the largest seen is 0.6 MiB
MAX_NAMES = 20_000  # Windows traces the first seconds only; a thousand names is much
VERSIONS = frozenset({17, 23, 26, 30, 31})
_HEADER = 84
_RUN_SLOTS = 8
_MANY_RUNS = 26  # the first version with more than one run time
_DEVICES = 16  # volume numbers tried when the hash decides between paths
_PROGRAMS = (".exe", ".com", ".scr", ".tmp")
_NAME_CHARACTERS = 29  # room for the executable's name in the header; longer names are cut there
# What pyscca raises: OSError for any damage, the others for values that do not fit a Python object.
_ERRORS = (OSError, ValueError, OverflowError, MemoryError, SystemError)


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume the program touched. `device_path` as stored: `\\DEVICE\\HARDDISKVOLUME2` or `\\VOLUME{...}`."""

    device_path: str
    serial: str
    created: Moment


@dataclass(frozen=True, slots=True)
class Prefetch:
    """One prefetch file.

    `path_hash` is the eight hex digits of the file's name. `last_runs` is newest first, unused slots left out; the
    oldest versions keep one, later ones eight. `files` are device paths in upper case, as stored. `executable_path`
    is the one among them that bears the executable's name (and, between several, fits the hash), else None.
    `problems`: what was lost.
    """

    version: int
    executable: str
    path_hash: str
    run_count: int
    last_runs: tuple[Moment, ...]
    files: tuple[str, ...]
    volumes: tuple[Volume, ...]
    executable_path: str | None
    problems: tuple[FormatError, ...] = ()


def read(data: bytes) -> Prefetch:
    """Decode one prefetch file. Raises FormatError."""
    _check_header(data)
    handle = pyscca.file()
    try:
        handle.open_file_object(BytesIO(data))
        return _decode(handle)
    except _ERRORS as error:
        raise FormatError(f"prefetch file cannot be decoded: {_first_cause(error)}") from error


def _check_header(data: bytes) -> None:
    """Signature, version and sizes, before any library sees the bytes."""
    if data[:3] == b"MAM":
        if len(data) < 8:
            raise FormatError("compressed prefetch file is cut off", 0)
        unpacked: int = struct.unpack_from("<I", data, 4)[0]
        if not _HEADER <= unpacked <= MAX_UNPACKED:
            raise FormatError(f"compressed prefetch file claims {unpacked} bytes: refused", 4)
        return
    if len(data) < _HEADER:
        raise FormatError(f"a prefetch header takes {_HEADER} bytes, the file has {len(data)}")
    version, signature, _, size = struct.unpack_from("<I4sII", data)
    if signature != b"SCCA":
        raise FormatError("not a prefetch file: no SCCA or MAM signature", 0)
    if version not in VERSIONS:
        raise FormatError(f"unknown prefetch version {version}", 0)
    if size > len(data):
        raise FormatError(f"truncated: the header claims {size} bytes, the file has {len(data)}", 12)


def _decode(handle: Any) -> Prefetch:  # noqa: ANN401  # pyscca has no types
    problems: list[FormatError] = []
    executable = str(handle.get_executable_filename() or "")
    files = _files(handle, problems)
    path_hash = int(handle.get_prefetch_hash() or 0)
    return Prefetch(
        version=handle.get_format_version(),
        executable=executable,
        path_hash=f"{path_hash:08X}",
        run_count=handle.get_run_count(),
        last_runs=_runs(handle),
        files=files,
        volumes=_volumes(handle, problems),
        executable_path=_path_of(executable, path_hash, files),
        problems=tuple(problems),
    )


def _files(handle: Any, problems: list[FormatError]) -> tuple[str, ...]:  # noqa: ANN401
    """The traced files. Each is named twice, by the list of names and by its metrics: in a sound file both agree.

    A compressed file that was cut decodes without an error, the missing part as zeros; this comparison shows it.
    """
    claimed = handle.get_number_of_filenames()
    entries = handle.get_number_of_file_metrics_entries()
    if max(claimed, entries) > MAX_NAMES:
        problems.append(FormatError(f"{max(claimed, entries)} file names: only {MAX_NAMES} are read"))
    names = [_text(handle.get_filename, index) for index in range(min(claimed, MAX_NAMES))]
    traced = [_text(handle.get_file_metrics_entry, index) for index in range(min(entries, MAX_NAMES))]
    if names != traced or not all(names):
        problems.append(FormatError(f"the file list is damaged: {claimed} names for {entries} traced files"))
    return tuple(name for name in names if name and name.startswith("\\"))


def _text(get: Callable[[int], Any], index: int) -> str | None:
    """A name by its index, None when it is lost."""
    try:
        found = get(index)
        name = found if isinstance(found, str) or found is None else found.filename
    except _ERRORS:
        return None
    return str(name) if name else None


def _runs(handle: Any) -> tuple[Moment, ...]:  # noqa: ANN401
    """The run times, newest first (runs within a second may be stored out of order); a slot of zero is unused."""
    slots = range(_RUN_SLOTS if handle.get_format_version() >= _MANY_RUNS else 1)
    ticks = [int(handle.get_last_run_time_as_integer(slot) or 0) for slot in slots]
    return tuple(from_filetime(value) for value in sorted(ticks, reverse=True) if value)


def _volumes(handle: Any, problems: list[FormatError]) -> tuple[Volume, ...]:  # noqa: ANN401
    volumes: list[Volume] = []
    for index in range(min(handle.get_number_of_volumes(), MAX_NAMES)):
        try:
            entry = handle.get_volume_information(index)
            created = from_filetime(entry.get_creation_time_as_integer() or 0)
            volumes.append(Volume(str(entry.get_device_path() or ""), f"{entry.get_serial_number():08X}", created))
        except _ERRORS as error:
            problems.append(FormatError(f"volume {index} lost: {_first_cause(error)}"))
    return tuple(volumes)


def _path_of(executable: str, path_hash: int, files: tuple[str, ...]) -> str | None:
    """The traced file that is the program itself, by its name; the hash decides between several, never a guess."""
    name = executable.casefold()
    if not name:
        return None
    cut = len(executable) >= _NAME_CHARACTERS
    matching = {path for path in files if _is_named(path.rpartition("\\")[2].casefold(), name, cut=cut)}
    if len(matching) > 1:
        matching = {path for path in matching if path_hash in _hashes(path)}
    return matching.pop() if len(matching) == 1 else None


def _is_named(last: str, name: str, *, cut: bool) -> bool:
    return last == name or (cut and last.startswith(name) and last.endswith(_PROGRAMS))


def _hashes(path: str) -> set[int]:
    """The path hashes that this program may have.

    Since Windows 10 files are traced as `\\VOLUME{...}\\` while the hash is still made of the device's number, which
    is not in the file: the first numbers are tried.
    """
    forms = [path]
    if path.startswith("\\VOLUME{"):
        rest = path.split("\\", 2)[-1]
        forms += [f"\\DEVICE\\HARDDISKVOLUME{number}\\{rest}" for number in range(1, _DEVICES + 1)]
    return {_hash(form) for form in forms}


def _hash(path: str) -> int:
    """The hash of Windows Vista and later over the UTF-16 of an upper-case device path."""
    value = 314159
    for byte in path.encode("utf-16-le", "surrogatepass"):
        value = (value * 37 + byte) & 0xFFFFFFFF
    return value


def _first_cause(error: BaseException) -> str:
    """The library reports the whole chain of calls; the first sentence after the function's name says what is wrong."""
    text = " ".join(str(error).split())
    return text.partition(". ")[2].partition(". ")[0] or text or type(error).__name__
