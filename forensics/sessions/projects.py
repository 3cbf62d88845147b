"""MSBuild projects with inline tasks, by the command lines that name them."""

from __future__ import annotations

import re
from collections import defaultdict

from forensics.sessions.rows import Row, Rows
from forensics.sessions.texts import basename, norm

_WORD = re.compile(r'"([^"]+)"|([^\s"]+)')
_LIMIT = 8 * 1024
_MOST_WORDS = 64


class Projects:
    """Looks up the projects that commands hand to MSBuild.

    By their path; a name without a folder fits where only one project has it, since the folder it was started in is
    mostly not recorded.
    """

    def __init__(self, rows: Rows) -> None:
        self._paths: dict[str, list[Row]] = defaultdict(list)
        self._names: dict[str, set[str]] = defaultdict(set)
        for row in rows.of("msbuild.inline_task"):
            path = norm(row.get("file_path"))
            self._paths[path].append(row)
            self._names[basename(path)].add(path)

    def named_in(self, command: str) -> list[Row]:
        """The inline tasks of the projects that an MSBuild command names."""
        if not self._paths or "msbuild" not in command.casefold():
            return []
        found: list[Row] = []
        for count, word in enumerate(_WORD.finditer(command[:_LIMIT])):
            if count >= _MOST_WORDS:
                break
            found += self._paths.get(self._path(word.group(1) or word.group(2)), ())
        return found

    def _path(self, word: str) -> str:
        if "\\" in word or "/" in word[1:]:
            return norm(word)
        named = self._names.get(basename(word), set())
        return next(iter(named)) if len(named) == 1 else ""


def told(rows: list[Row]) -> str:
    """The code that stands in these rows, for a sentence."""
    parts = {
        f"{row.get('inline_task') or 'a task'} ({row.get('code_language') or 'language not stated'}"
        + (f", code SHA-256 {row.get('code_sha256')}" if row.get("code_sha256") else "")
        + (f", project SHA-256 {row.get('file_sha256')})" if row.get("file_sha256") else ")")
        for row in rows
    }
    return "; ".join(sorted(parts)[:4])
