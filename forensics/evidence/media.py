"""The media inside a container as a stream that is whole or says so.

Two faults of the layers below are met here. A container that was cut (a copy that broke off) gives fewer bytes than
were asked for, and what is read behind the gap moves forward without a word. And the VDI reader of dissect.hypervisor
3.21 reads on in the file where the next block lies elsewhere, so that a read over a block's end gives another block's
bytes. Reads are therefore made within one block each, and every one must be complete.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dissect.util.stream import AlignedStream

from forensics.evidence.base import EvidenceError

_PIECE = 1024 * 1024


class WholeMedia(AlignedStream):  # type: ignore[misc]  # dissect carries no types
    """A container's media; raises OSError where bytes are missing."""

    def __init__(self, container: Any) -> None:  # noqa: ANN401
        super().__init__(container.size)
        self.__type__ = container.__type__
        self._container = container
        disk = getattr(container, "vdi", None)
        self._piece = disk.block_size if disk is not None else _PIECE
        if self._piece <= 0:
            raise ValueError("the size of the container's blocks makes no sense")

    def _read(self, offset: int, length: int) -> bytes:
        parts = []
        end = min(offset + length, self.size)
        while offset < end:
            wanted = min(self._piece - offset % self._piece, end - offset)
            self._container.seek(offset)
            part = self._container.read(wanted)
            if len(part) != wanted:
                raise OSError(f"the image is cut: the media's bytes from 0x{offset + len(part):x} on are not in it")
            parts.append(part)
            offset += wanted
        return b"".join(parts)


def parts_of(path: Path) -> list[Path]:
    """The parts of a raw image that was split (`x.001`, `x.002` ...); one where it was not.

    A part that is missing, or shorter than the others and not the last, would move all that follows: EvidenceError.
    """
    if not path.suffix[1:].isdecimal():
        return [path]
    found = {
        int(other.suffix[1:]): other
        for other in sorted(path.parent.iterdir())
        if other.stem == path.stem and len(other.suffix) == len(path.suffix) and other.suffix[1:].isdecimal()
        and other.is_file() and not other.is_symlink()
    }  # fmt: skip
    numbers = sorted(found)
    if len(numbers) < 2:
        return [path]
    if missing := sorted(set(range(min(numbers[0], 1), numbers[-1] + 1)) - set(numbers)):
        names = ", ".join(f"{number:0{len(path.suffix) - 1}d}" for number in missing[:8])
        raise EvidenceError(f"{path.name}: part {names} of the split image is missing", integrity=True)
    sizes = [found[number].stat().st_size for number in numbers]
    for number, size in zip(numbers[:-1], sizes, strict=False):
        if size != sizes[0] or sizes[-1] > size:
            raise EvidenceError(
                f"{found[number].name} has {size} bytes, other parts of the split image have not", integrity=True
            )
    return [found[number] for number in numbers]
