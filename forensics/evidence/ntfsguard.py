"""Bounds for dissect.ntfs's reading of folder indexes, which has none (3.16).

A lookup follows the numbers of child nodes without end, so a node that is its own child hangs it; a listing reads node
after node to the end of the index's stream and passes over what is broken, so a stream that says it has 2^40 bytes
takes days. Whoever builds an image can do both, and a volume is looked into before anything else is said of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dissect.ntfs import mft
from dissect.ntfs.exceptions import BrokenIndexError, Error
from dissect.ntfs.index import Index

_DEEPEST = 64  # of a tree of 64-bit node numbers with two children each; real ones have four levels
_MOST_BROKEN = 1024  # nodes without the signature one after the other; a deleted file leaves them whole
_MOST_NODES = 4_000_000


class BoundedIndex(Index):  # type: ignore[misc]  # dissect carries no types
    """An index whose lookups and listings end."""

    def search(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        """As the library's; raises BrokenIndexError where the nodes lead in a circle."""
        fetch: Any = self.index_buffer
        left = _DEEPEST

        def counted(vcn: int) -> Any:  # noqa: ANN401
            nonlocal left
            left -= 1
            if left < 0:
                raise BrokenIndexError("the nodes of the folder's index lead in a circle")
            return fetch(vcn)

        self.index_buffer: Any = counted
        try:
            return super().search(*arguments, **named)
        finally:
            self.index_buffer = fetch

    def entries(self) -> Iterator[Any]:
        """Every entry; raises BrokenIndexError where only broken nodes follow one another."""
        yield from self._of(self.root)
        broken = 0
        for vcn in range(_MOST_NODES if self._index_stream else 0):
            try:
                yield from self._of(self.index_buffer(vcn))
                broken = 0
            except Error as error:
                broken += 1
                if broken > _MOST_BROKEN:
                    raise BrokenIndexError("the folder's index has no end that can be read") from error
            except EOFError:
                return

    @staticmethod
    def _of(node: Any) -> Iterator[Any]:  # noqa: ANN401
        for entry in node.entries():
            if entry.is_end:
                return
            yield entry


def install() -> None:
    """Let the library make bounded indexes; the release is pinned, and a test holds that they are used."""
    mft.Index = BoundedIndex
