r"""Lists of a user's doings that are empty: the Run dialog, typed paths, recent documents, started programs.

Explorer fills these lists by itself and clears none of them; `reg delete`, cleaners and the privacy switches of Windows
do. What was removed often lies in the hive's free cells still: then the row says how many entries were found there, and
the recovered entries themselves are rows of the artifacts that read the list. A list that is made with its first entry
(Run dialog, recent documents, UserAssist of programs) is told when it is empty, whatever is left; that Windows itself
never leaves it so is inferred [INF]. Which lists is data (rules/recording.yml).

The time is the last write of the emptied key: the removal, or later. Of a list that is gone with its key it is the last
write before that. https://attack.mitre.org/techniques/T1070/007/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from forensics.artifacts._registry import owner, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.model import Fact, make_fact
from forensics.rules import load


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every list that is empty and should not be, or was not."""
    for history in load("recording")["histories"]:
        for key in hive.glob(history["key"]):
            if hive.deleted:
                yield from _removed(hive, given, key, history)
            elif history.get("always") and not _entries(key) and next(key.subkeys(), None) is None:
                yield _row(given, key, history, 0)


def _removed(hive: Hive, given: FileInput, key: Key, history: dict[str, Any]) -> Iterator[Fact]:
    """What was recovered of a list whose live key holds nothing, or is gone."""
    lost, live = _entries(key), hive.live.key(key.path)
    if lost and (live is None or not _entries(live)):
        yield _row(given, key, history, len(lost), lost[0])


def _entries(key: Key) -> list[str]:
    data = load("recording")
    names = [value.name for value in key.values()]
    return [name for name in names if not _is_own(name.casefold(), data)]


def _is_own(name: str, data: dict[str, Any]) -> bool:
    return name in data["own_values"] or name.startswith(tuple(data["own_prefixes"]))


def _row(given: FileInput, key: Key, history: dict[str, Any], lost: int, name: str | None = None) -> Fact:
    user, sid = owner(given)
    return make_fact(
        "history.emptied",
        place(given, key, name),
        {"Content Modification Time": key.last_write},
        {
            "history_of": history["what"],
            "recovered_entries": lost or None,
            "key_path": key.path,
            "profile_user": user,
            "user_sid": sid,
        },
    )


ARTIFACT = RegistryArtifact(
    name="emptied_histories",
    hives=frozenset({"NTUSER"}),
    parse=parse,
    emits={
        "history.emptied": Kind(
            "The list of {history_of} is empty[, {recovered_entries} entries of it are left in free cells]"
            "[ (user {profile_user})]",
            {"history_of": str, "recovered_entries": int, "key_path": str, "profile_user": str, "user_sid": str},
        )
    },
    deleted=True,
)
