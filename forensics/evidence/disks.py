"""What an image is, by its content, and who reads it; raw media in one file or in numbered parts.

No library is given a path: what an image asks for beside itself is looked up here (`regular.beside`), and a suffix
decides nothing (a raw image called `.vhd` is a raw image).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from forensics.evidence.base import EvidenceError
from forensics.evidence.extents import Disk, File, Joined, Piece
from forensics.evidence.regular import is_regular, kind_of_entry

_DEEPEST = 32
_MOST_MISSING = 1000
Chain = tuple[Path, ...]
Reader = Callable[[Path, File, Chain], Disk]


def open_disk(path: Path, chain: Chain = ()) -> Disk:
    """The media of any image but an E01; `chain` are the images that have this one as a parent.

    Raises EvidenceError with one sentence where it needs what does not lie beside it, OSError and the libraries' own
    errors (`base.DAMAGE`) where it is damaged.
    """
    if path in chain or len(chain) >= _DEEPEST:
        raise EvidenceError(f"{chain[0]} leads back to itself, or to more than {_DEEPEST} parents", integrity=True)
    file = File(path)
    reader = _reader(file)
    file.seek(0)
    return reader(path, file, (*chain, path)) if reader else _raw(path, file)


def _reader(file: File) -> Reader | None:
    from forensics.evidence import virtual_disks as virtual
    from forensics.evidence import vmdk

    head = file.at(0, 512)
    if head[:4] in (b"KDMV", b"COWD", b"\xbe\xba\xfe\xca") or head[:21] == b"# Disk DescriptorFile":
        return vmdk.opened
    if head[:8] == b"vhdxfile":
        return virtual.vhdx
    if head[:4] == b"QFI\xfb":
        return virtual.qcow2
    if head[64:68] == b"\x7f\x10\xda\xbe":
        return virtual.vdi
    if head[:16] in (b"WithoutFreeSpace", b"WithouFreSpacExt"):
        return virtual.hds
    tail = file.at(max(file.length - 512, 0), 512)
    if tail[:8] == b"conectix" or tail[1:9] == b"conectix" or head[:8] == b"conectix":
        return virtual.vhd
    return None


# -- raw media -----------------------------------------------------------------------------------------------------


def _raw(path: Path, file: File) -> Disk:
    if path.suffix[1:].isascii() and path.suffix[1:].isdecimal() and (numbered := _numbered(path)):
        return _split(path, numbered)
    return Disk("raw", Joined([Piece(file.length, file)]), [file])


def parts_of(path: Path) -> list[Path]:
    """The numbered parts of a split raw image that `path` is one of, in order; none where it stands alone."""
    return [part for _, part in sorted(_numbered(path).items()) if is_regular(part)]


def _numbered(path: Path) -> dict[int, Path]:
    """Everything beside `path` that is named as a part of the same set, links and pipes among it, by number.

    Numbers have as many digits as the first one's (more from where those are used up), or are not padded at all.
    """
    found: dict[int, Path] = {}
    width = min((len(item.suffix) - 1 for item in _siblings(path)), default=0)
    for item in _siblings(path):
        digits = item.suffix[1:]
        if len(digits) == width or not digits.startswith("0"):
            found.setdefault(int(digits), item)
    first = min(found, default=0)
    if path not in found.values() or len(found) < 2:
        return {}
    return {number: found[number] for number in _together(sorted(found), first)}


def _siblings(path: Path) -> list[Path]:
    return [
        item
        for item in sorted(path.parent.iterdir())
        if item.stem == path.stem and item.suffix[1:].isascii() and item.suffix[1:].isdecimal()
    ]


def _together(numbers: list[int], first: int) -> list[int]:
    """The numbers up to the first leap that no set has (`disk.2024` is not part 2024 of `disk.001`)."""
    kept = [first]
    for number in numbers[1:]:
        if number - kept[-1] > max(_MOST_MISSING if len(kept) > _MOST_MISSING else len(kept) * 10, 10):
            break
        kept.append(number)
    return kept


def _split(path: Path, numbered: dict[int, Path]) -> Disk:
    first = min(numbered)
    if first > 1 or not is_regular(numbered[first]):
        raise EvidenceError(
            f"{path} is a part of a split image whose first part ({path.stem}.{'1'.zfill(len(path.suffix) - 1)}) is "
            f"not beside it",
            integrity=True,
        )
    files = {number: File(part) for number, part in numbered.items() if is_regular(part)}
    full, last = files[first].length, max(files)
    pieces: list[Piece] = []
    faults: list[str] = []
    for number in range(first, last + 1):
        piece, fault = _part(number, numbered, files, full, last)
        pieces.append(piece)
        faults += [fault] if fault else []
    return Disk("split", Joined(pieces), [files[number] for number in sorted(files)], faults=faults)


def _part(number: int, numbered: dict[int, Path], files: dict[int, File], full: int, last: int) -> tuple[Piece, str]:
    """One part at its place; all but the last are as long as the first, and one that is not there is a hole."""
    if number not in files:
        there = numbered.get(number)
        why = f"is {kind_of_entry(there.lstat())}, which is not opened" if there else "is missing"
        text = f"part {number} of {last} of the split image {why}"
        return Piece(full, lost=text), f"{text}: its {full:,} bytes are read as zeros"
    file = files[number]
    if number == last or file.length == full:
        return Piece(file.length, file), ""
    text = f"{file.path.name} has {file.length:,} bytes, the first part {full:,}: it is cut, or the set is mixed"
    return Piece(max(file.length, full), file), text
