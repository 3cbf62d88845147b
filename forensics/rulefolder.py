"""The folder of `--rules`: its Sigma rule files, read as what a stranger may have filled.

Links are not followed, pipes are not waited for, and number, depth and size are bounded; whatever is left out for such
a reason, or cannot be read or evaluated, is named with it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forensics.evidence.regular import kind_of_entry, open_regular
from forensics.sigma.documents import MOST_BYTES, read_documents
from forensics.sigma.errors import UnsupportedError
from forensics.sigma.ruleset import Refused, Rule, Rules, make
from forensics.text import one_line

_MOST_FILES, _MOST_TOTAL, _MOST_DEPTH, _MOST_ENTRIES = 10_000, 64 * 1024 * 1024, 12, 100_000
_SUFFIXES = (".yml", ".yaml")
_LIMIT = "limit of a rules folder"


def read_rules(folder: Path) -> Rules:
    """All rules below the folder, in the order of their paths; raises OSError when it is no folder or unreadable."""
    rules: list[Rule] = []
    refused: list[Refused] = []
    seen: dict[str, str] = {}
    total = 0
    for count, path in enumerate(_files(folder, refused)):
        shown = one_line(path.relative_to(folder).as_posix(), 200)
        if count >= _MOST_FILES or total > _MOST_TOTAL:
            refused.append(Refused(shown, "", "", _LIMIT, "this file and all behind it: too many files or bytes"))
            break
        try:
            with open_regular(path) as handle:
                raw = handle.read(MOST_BYTES + 1)
            total += len(raw)
            documents = read_documents(raw)
            counting = next((item for item in documents if isinstance(item, dict) and "action" in item), None)
            # Beside an `action` a document is a part of a whole: by itself it would hold of too much.
            made = [make(shown, counting or document, at) for at, document in enumerate(documents)]
        except OSError as error:
            refused.append(Refused(shown, "", "", "unreadable", error.strerror or str(error)))
        except UnsupportedError as error:
            refused.append(Refused(shown, "", "", error.group, error.why))
        else:
            made = made or [Refused(shown, "", "", "no rule", "the file is empty")]
            for item in made:
                _sort(item, rules, refused, seen)
    return Rules(str(folder), tuple(rules), tuple(refused))


def _sort(item: Rule | Refused, rules: list[Rule], refused: list[Refused], seen: dict[str, str]) -> None:
    """Take a rule in, unless its id is taken: two rules of one id would be one finding."""
    if isinstance(item, Refused):
        refused.append(item)
    elif first := seen.get(item.name.casefold()):
        refused.append(Refused(item.file, item.id, item.title, "id taken", f"{first} has the same id"))
    else:
        seen[item.name.casefold()] = item.file
        rules.append(item)


def _files(folder: Path, refused: list[Refused]) -> Iterator[Path]:
    """The rule files below the folder in order."""
    with os.scandir(folder):
        pass  # says what is wrong with the folder itself
    found: list[Path] = []
    entries = 0

    def closed(error: OSError) -> None:
        shown = one_line(Path(error.filename or "").name, 200)
        refused.append(Refused(shown, "", "", "unreadable", f"the folder is not listed: {error.strerror}"))

    for place, folders, names in os.walk(folder, onerror=closed):
        here = Path(place)
        entries += len(folders) + len(names)
        if len(here.relative_to(folder).parts) >= _MOST_DEPTH or entries > _MOST_ENTRIES:
            shown = one_line(here.relative_to(folder).as_posix(), 200)
            refused.append(Refused(shown, "", "", _LIMIT, "not looked into: too deep, or too much beside it"))
            folders.clear()
            continue
        linked = [name for name in folders if kind_of_entry((here / name).lstat()) != "folder"]
        for name in linked:
            shown = one_line((here / name).relative_to(folder).as_posix(), 200)
            refused.append(Refused(shown, "", "", "a link", "a link to a folder is not followed"))
        folders[:] = [name for name in folders if name not in linked]
        found += [here / name for name in names if name.casefold().endswith(_SUFFIXES)]
    yield from sorted(found)


def described(rules: Rules) -> dict[str, Any]:
    """What run.json says of the rules: how many are evaluated, and each that is not with its reason."""
    return {
        "folder": rules.folder,
        "evaluated": len(rules.rules),
        "not_evaluated": [
            {"file": item.file, "rule": item.rule, "title": item.title, "reason": item.group, "why": item.why}
            for item in rules.refused
        ],
        "reasons": dict(Counter(item.group for item in rules.refused).most_common()),
    }


def notice(rules: Rules) -> str:
    """The sentence for a person about rules that are not evaluated; "" when all are."""
    if not rules.refused:
        return ""
    counts = Counter(item.group for item in rules.refused).most_common()
    told = ", ".join(f"{number} {group}" for group, number in counts)
    every = len(rules.rules) + len(rules.refused)
    return f"not evaluated: {len(rules.refused)} of {every} Sigma rules ({told}); show findings names each"
