"""Prefetch: programs that ran on the host, up to eight times each, and the files they touched while starting.

Works without any log: WINDOWSSANDBOX.EXE, WSB.EXE, CMPROXYD.EXE (one run for about one VM, inferred), CODE-TUNNEL.EXE
give run times, and the list of files names the `.wsb` and the `sandbox.vhdx` that were opened, also after both are
gone. CODE.EXE is the desktop as well as the tunnel's CLI, and NODE.EXE is anything: the files that they loaded tell
them apart, and a renamed CLI from other programs (`program_role`; rules/programs.yml, inferred).
Clients only, and only while prefetching is on. The list is long (a thousand names is possible): the names that bear on
sessions come first, then the others, 300 in all; nothing else of the row is cut.
https://github.com/libyal/libscca/blob/main/documentation/Windows%20Prefetch%20File%20(PF)%20format.asciidoc
"""

from __future__ import annotations

from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, prefetch
from forensics.model import Problem, make_fact
from forensics.rules.programs import role_of
from forensics.rules.watch import is_watched
from forensics.times import Moment, NoTime

_NAME = "prefetch"
_MAX_FILE = 8 * 1024 * 1024
_MAX_NAMES = 300


def parse(given: FileInput) -> Output:
    """One row for every run time; one undated row when the file has none."""
    source = given.source()
    if given.size > _MAX_FILE:
        yield Problem("too_large", _NAME, source, f"{given.size} bytes: a prefetch file is never that large")
        return
    try:
        found = prefetch.read(given.read(_MAX_FILE))
    except FormatError as error:
        yield Problem("unreadable", _NAME, source, str(error))
        return
    for problem in found.problems:
        yield Problem("bad_record", _NAME, source, str(problem))
    yield from _rows(given, found)


def _rows(given: FileInput, found: prefetch.Prefetch) -> Output:
    names, watched = _file_names(found.files)
    role = role_of(found.executable, [*found.files, *([found.executable_path] if found.executable_path else [])])
    kept = watched or is_watched(found.executable, found.executable_path or "") or (role is not None and role.watched)
    runs: tuple[Moment, ...] = found.last_runs or (NoTime("no run time in the file", ""),)
    for number, moment in enumerate(runs):
        yield make_fact(
            "prefetch.run",
            given.source(f"run {number + 1}" if found.last_runs else ""),
            {"Previous Last Time Executed" if number else "Last Time Executed": moment},
            {
                "executable_name": found.executable,
                "executable": found.executable_path,
                "run_count": found.run_count,
                "file_names": names,
                "volume_paths": tuple(volume.device_path for volume in found.volumes),
                "prefetch_hash": found.path_hash,
                "prefetch_version": found.version,
                "program_role": role.name if role else None,
                "reason": role.reason if role else None,
            },
            context=not kept,
        )


def _file_names(files: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """At most 300 names, those that bear on sessions first, and whether there are such."""
    watched: list[str] = []
    others: list[str] = []
    for name in files:
        (watched if is_watched(name) else others).append(name)
    return tuple([*watched, *others][:_MAX_NAMES]), bool(watched)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("Windows/Prefetch/*.pf",),
    parse=parse,
    emits={
        "prefetch.run": Kind(
            "{executable_name} ran (prefetch {prefetch_hash}), run count {run_count}[, from {executable}]"
            "[, {program_role}: {reason}]",
            {
                "executable_name": str,
                "executable": str,
                "run_count": int,
                "file_names": tuple[str, ...],
                "volume_paths": tuple[str, ...],
                "prefetch_hash": str,
                "prefetch_version": int,
                "program_role": str,
                "reason": str,
            },
            context=True,
            data_type="windows:prefetch:execution",
        )
    },
)
