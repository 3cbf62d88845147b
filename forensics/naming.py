"""What a host is called where no SYSTEM hive says it: by the computer that its event records name.

Every record names the computer that wrote it. Where all logs agree, that is the host's name, told as an inference.
Where they do not, a folder of loose logs holds those of several machines (or of one that was renamed): each row then
goes by the name in its own record, and what happened is put together machine by machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from forensics.intake import JobResult
from forensics.model import GUEST, Fact, Host, Problem, Source

_SHOWN = 8
_ONE_OF_EACH = frozenset({"SYSTEM", "SOFTWARE", "SAM", "SECURITY"})  # hives of which a machine has one


@dataclass(frozen=True, slots=True)
class Naming:
    """What rows are called: `label`, or with `by_record` the computer that their own record names.

    `names` are the computers met, by their folded short name. `apart` says that they are different machines, whose
    rows must not be joined with each other; `logs` are then the computers that the records of each log name, by its
    path. `guests` are what the machines of sandbox disks are called, by their drive.
    """

    label: str
    by_record: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False
    guests: Mapping[str, str] = field(default_factory=dict)
    logs: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, fact: Fact) -> str:
        """The host's name on the rows of this fact."""
        if GUEST in fact.tags:
            drive = fact.source.path.partition("/")[0]
            return self.guests.get(drive) or drive.rstrip(":")
        computer = fact.fields.get("computer_name") if self.by_record else None
        if not isinstance(computer, str) or not computer:
            return self.label
        return self.names.get(_short(computer).casefold(), _short(computer))


def _short(computer: str) -> str:
    """The name without its domain: `WS-TANAKA` of `WS-TANAKA.corp.example`; an address is left as it is."""
    first = computer.partition(".")[0]
    return computer if not first or first.isdecimal() else first


def identify(host: Host, name: str, results: Iterable[JobResult], *, loose: bool) -> tuple[Host, Naming, list[Problem]]:
    """The host as its event logs complete it, what its rows are called, and what has to be said about that.

    `name` is the evidence's, `loose` says that its files do not come out of one Windows tree.
    """
    results = list(results)
    told, naming, problems = _by_logs(host, name, results, loose=loose)
    if loose and not problems and (why := _of_hives(results)):
        problems = [Problem("several_computers", "evidence", Source(name, "", None, ""), why)]
    return told, naming, problems


def _of_hives(results: Sequence[JobResult]) -> str:
    """What has to be said where loose hives of one kind are more than one machine has at a time; "" otherwise."""
    found: dict[str, dict[str, str]] = {}
    for item in results:
        if item.hive and item.hive.kind in _ONE_OF_EACH:
            found.setdefault(item.hive.kind, {}).setdefault(item.sha256 or item.path, item.path)
    many = {kind: sorted(paths.values()) for kind, paths in sorted(found.items()) if len(paths) > 1}
    if not many:
        return ""
    said = "; ".join(f"{len(paths)} {kind} hives ({_listed(paths)})" for kind, paths in many.items())
    return (
        f"loose hives of several computers, or of one at several times: {said}; what they say is put together as of "
        "one, so that an answer may mix machines: give each host's files in a run of their own"
    )


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more


def _by_logs(
    host: Host, name: str, results: Sequence[JobResult], *, loose: bool
) -> tuple[Host, Naming, list[Problem]]:  # fmt: skip
    groups = _groups(results)
    if host.name and loose:
        groups.setdefault(host.name.casefold(), Counter({host.name: 0}))
    names = {folded: _short(spelled.most_common(1)[0][0]) for folded, spelled in groups.items()}
    label = host.name or ("" if loose else name)  # what a loose file is called says nothing of its host
    if (host.name and not loose) or not groups:
        return host, Naming(label), []
    if len(groups) == 1:
        (known,) = names.values()
        inferred = host if host.name else _inferred(host, known, groups)
        return inferred, Naming(inferred.name or label, by_record=True, names=names), []
    said = _said(groups)
    problem = Problem("several_computers", "evidence", Source(name, "", None, ""), _sentence(said, loose=loose))
    told = host if host.name else replace(host, unknown={**host.unknown, "name": f"event records name {said}"})
    logs = {item.path: frozenset(names[_short(name).casefold()] for name in item.computers) for item in results}
    return told, Naming(label, by_record=True, names=names, apart=loose, logs=logs), [problem]


def guest_names(machines: Mapping[str, Host], results: Iterable[JobResult]) -> dict[str, str]:
    """What the machines of sandbox disks are called: by their hive, else by the most of the records of their logs."""
    counts: dict[str, Counter[str]] = {}
    for result in results:
        counts.setdefault(result.path.partition("/")[0], Counter()).update(result.computers)
    found = {}
    for drive, host in machines.items():
        spelled = sorted(counts.get(drive, Counter()).items(), key=lambda item: (-item[1], item[0]))
        found[drive] = host.name or (_short(spelled[0][0]) if spelled else "")
    return found


def _groups(results: Iterable[JobResult]) -> dict[str, Counter[str]]:
    """The computers by their folded short name, each with its spellings and how many records have them."""
    groups: dict[str, Counter[str]] = {}
    for result in results:
        for computer, count in result.computers.items():
            groups.setdefault(_short(computer).casefold(), Counter())[computer] += count
    return dict(sorted(groups.items()))


def _inferred(host: Host, known: str, groups: Mapping[str, Counter[str]]) -> Host:
    spelled = ", ".join(sorted(name for group in groups.values() for name in group))
    why = host.unknown.get("name", "")
    text = f"inferred: event records name the computer {spelled}{'; ' + why if why else ''}"
    return replace(host, name=known, unknown={**host.unknown, "name": text})


def _said(groups: Mapping[str, Counter[str]]) -> str:
    names = [name for spelled in groups.values() for name in sorted(spelled)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(groups)} computers ({', '.join(names[:_SHOWN])}{more})"


def _sentence(said: str, *, loose: bool) -> str:
    joined = (
        "what each did is put together on its own, and files that name no computer stand alone"
        if loose
        else "they are taken for one machine, since they lie in one Windows tree"
    )
    return (
        f"the logs are of {said}: several machines, or one that was renamed; each row has the hostname of its own "
        f"record; {joined}"
    )
