"""Where the records of a rule's `logsource` are: channels, event ids, and what its fields are called there.

The table is forensics/rules/sigma.yml. A category may lie in several logs (process starts in Sysmon and in the
Security log): the rule is then made ready for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from forensics.rules import load
from forensics.sigma.errors import UnsupportedError

SYSTEM = frozenset({"EventID", "EventId", "Channel", "Provider_Name", "ProviderName", "Computer", "ComputerName"})
UNREAD = frozenset({"Level", "Keywords", "Opcode", "Task"})  # of the System section; a record's data has no such name
RENAMED = frozenset({"IntegrityLevel"})  # its values have other names in another log (`also` of the table)
HASHES = {"md5": "MD5", "sha1": "SHA1", "sha256": "SHA256", "imphash": "IMPHASH"}
_KNOWN_PARTS = frozenset({"product", "category", "service", "definition"})


@dataclass(frozen=True, slots=True)
class LogSource:
    """One channel with the ids that a rule is about there (None: the rule says which).

    `fields` are those that such records can have (None: any), `names` what Sigma's names are called there, `also` what
    values of a field are called in other logs, `when` the values of which a field must have one.
    """

    channel: str
    ids: frozenset[int] | None = None
    fields: frozenset[str] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    also: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether a record of this source can have the field."""
        if self.fields is None:
            return name not in UNREAD
        return name in SYSTEM or name in self.fields or self.hash_in(name) != ""

    def hash_in(self, name: str) -> str:
        """The algorithm that a field names which Sysmon writes into `Hashes`, else ""."""
        known = self.fields is not None and "Hashes" in self.fields and name not in self.fields
        return HASHES.get(name.casefold(), "") if known else ""


def sources_of(logsource: Any) -> tuple[LogSource, ...]:  # noqa: ANN401  # whatever the rule has there
    """The sources of a rule; raises UnsupportedError for one that is no log of Windows, or none that is known."""
    if not isinstance(logsource, dict) or not logsource:
        raise UnsupportedError("no logsource")
    product, category, service = (_word(logsource, name) for name in ("product", "category", "service"))
    shown = ", ".join(f"{name} {value}" for name, value in logsource.items() if name in _KNOWN_PARTS - {"definition"})
    if product != "windows":
        raise UnsupportedError("another product than Windows", f"logsource: {shown[:120] or 'without a product'}")
    table = load("sigma")
    found: tuple[LogSource, ...] = ()
    if category:
        found = tuple(source for entry in table["categories"].get(category, ()) for source in _category(entry))
        if service:  # a narrower service of the same category
            channels = table["services"].get(service, ())
            found = tuple(source for source in found if source.channel in channels)
    elif service:
        known = _every_field() if service == "sysmon" else None
        found = tuple(LogSource(channel, None, known) for channel in table["services"].get(service, ()))
    if not found:
        raise UnsupportedError("unknown logsource", f"no log is known for logsource {shown[:120]}")
    return found


def _word(logsource: Mapping[str, Any], name: str) -> str:
    return str(logsource.get(name) or "").casefold()


def _category(entry: Mapping[str, Any]) -> tuple[LogSource, ...]:
    table = load("sigma")
    when = {name: tuple(value.lower() for value in values) for name, values in entry.get("when", {}).items()}
    return tuple(
        LogSource(channel, frozenset(entry["ids"]), _fields(entry.get("fields", "")),
                  table["names"].get(entry.get("names", ""), {}), when, table["also"].get(entry.get("names", ""), {}))
        for channel in table["services"][entry["service"]]
    )  # fmt: skip


@cache
def _every_field() -> frozenset[str]:
    """All fields of Sysmon's records."""
    table = load("sigma")
    groups = (_fields(group) or frozenset() for group in table["fields"] if group not in table["names"])
    return frozenset(table["common"]).union(*groups)


@cache
def _fields(group: str) -> frozenset[str] | None:
    """The fields of a group; those of Sysmon have the common ones, too."""
    if not group:
        return None
    table = load("sigma")
    own = {name for row in table["fields"][group] for name in row}
    return frozenset(own if group in table["names"] else own | set(table["common"]))
