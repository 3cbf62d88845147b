r"""`Bindings\config.json` of a container: which folders of the host were bound into it.

From Windows 11 24H2 each sandbox has one below `ContainerStorages\<GUID>`, deleted with the session's disk; the base
layers have theirs below `Layers\<GUID>`. If it lists the mapped folders, as its place and name say, it tells what a
sandbox of `wsb start` and `wsb share` could reach, for which no `.wsb` exists. What is in it is inferred: nobody has
published one. So nothing is read into its names: the text is kept, and what looks like a path anywhere in it is listed.
Paths: a public listing of the folder, and an issue of the product. A damaged file still gives its paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from forensics.artifacts._containers import CONTAINERS, about
from forensics.artifacts._tunnel import times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, guardedjson
from forensics.formats.textfile import decode
from forensics.model import Problem, Value, make_fact

_NAME = "sandbox_bindings"
_LIMIT = 4 * 1024 * 1024
_SHOWN = 8 * 1024
_MOST_PATHS, _MOST_VALUES = 500, 200_000
_PATH = re.compile(r"^(?:\\\\|\\\?\?\\|[A-Za-z]:[\\/])[^\x00-\x1f]{1,32767}$")
_CARVED = re.compile(r'(?:[A-Za-z]:|\\\\\\\\[^"\\/]{1,255})(?:\\\\|/)[^"\x00-\x1f]{0,2000}')


def parse(given: FileInput) -> Output:
    """One row for the file, with the paths that could be read in it."""
    data = given.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        yield Problem("truncated", _NAME, given.source(), f"{given.size} bytes: only the first {_LIMIT} were read")
    text = decode(data[:_LIMIT]).text
    try:
        paths = list(_paths(guardedjson.loads(data, _LIMIT)))
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), f"{error}; paths are picked out of its text")
        paths = [found.replace("\\\\", "\\") for found in _CARVED.findall(text)]
    paths = list(dict.fromkeys(paths))
    if len(paths) > _MOST_PATHS:
        yield Problem("budget", _NAME, given.source(), f"{len(paths)} paths: the first {_MOST_PATHS} are told")
    fields: dict[str, Value | None] = {
        **about(given),
        "file_sha256": given.sha256,
        "bound_paths": tuple(paths[:_MOST_PATHS]),
        "content_text": text[:_SHOWN],
    }
    layer = str(fields["container_folder"]).casefold() == "layers"
    yield make_fact("sandbox.bindings", given.source(), times(given), fields, context=layer)


def _paths(value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON gives what the file holds
    """Every text that is a path, names of members too, in the order of the file."""
    stack, seen = [value], 0
    while stack:
        if (seen := seen + 1) > _MOST_VALUES:
            raise FormatError(f"more than {_MOST_VALUES} values")
        item = stack.pop()
        if isinstance(item, str) and _PATH.match(item):
            yield item
        elif isinstance(item, list):
            stack += reversed(item)
        elif isinstance(item, dict):
            stack += [part for pair in reversed(item.items()) for part in reversed(pair)]


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(f"{CONTAINERS}/*/*/Bindings/config.json",),
    parse=parse,
    emits={
        "sandbox.bindings": Kind(
            "Folders bound into the container [{container_id}]: {file_path}[ names {bound_paths}]",
            {
                "file_path": str,
                "file_name": str,
                "file_size": int,
                "file_sha256": str,
                "container_id": str,
                "container_folder": str,
                "bound_paths": tuple[str, ...],
                "content_text": str,
            },
        )
    },
)
