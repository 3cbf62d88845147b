"""The marks of the web on an NTFS volume: streams beside files, sought by the globs that end in their name.

A glob `<file's glob>*Zone.Identifier` also fits what collectors make of the stream (a file with the colon escaped); on
a volume it means the stream of a file that the first part of the glob fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from forensics.evidence.base import Found
from forensics.evidence.globs import GlobSet

STREAM = "Zone.Identifier"
_ENDING = f"*{STREAM}"


def found_with_marks(
    globs: GlobSet, files: Callable[[GlobSet], Iterator[Found]], size_of: Callable[[str, str], int | None]
) -> Iterator[Found]:
    """What `files` finds for the globs, and the marks sought of it; `size_of` is None where there is no such stream."""
    bare = {pattern.removesuffix(_ENDING): pattern for pattern in globs.patterns if pattern.endswith(_ENDING)}
    if not bare:
        yield from files(globs)
        return
    for found in files(GlobSet([*globs.patterns, *bare], anywhere=globs.anywhere)):
        if own := tuple(pattern for pattern in found.patterns if pattern in globs.patterns):
            yield replace(found, patterns=own)
        sought = tuple(sorted(bare[pattern] for pattern in found.patterns if pattern in bare))
        if sought and (size := size_of(found.path, STREAM)) is not None:
            yield Found(f"{found.path}:{STREAM}", size, sought, found.loose)
