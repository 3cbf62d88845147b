"""The command line: arguments in, exit code out, no logic. Data goes to stdout, progress and notes to stderr.

Exit codes: 0 complete, 2 usage, 3 done but partial, 4 no evidence can be opened, 5 evidence integrity failed.
Heavy modules are imported inside the commands: `--help` must answer at once.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import sys
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import forensics
from forensics.options import MOMENT, finite, language_option, opening_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forensics.case import Case
    from forensics.evidence.base import Opening
    from forensics.sigma.ruleset import Rules

T = TypeVar("T")
COMPLETE, USAGE, PARTIAL, UNOPENED, DAMAGED = 0, 2, 3, 4, 5


_PARTS = ("summary", "sandbox", "tunnel", "persistence", "wiping", "findings", "advisory", "coverage", "problems")
# What a write to a pipe gives whose reader has gone: Windows has no broken pipe, it calls the write invalid.
_GONE = frozenset({errno.EPIPE, errno.EINVAL} if os.name == "nt" else {errno.EPIPE})


@contextlib.contextmanager
def _printing() -> Iterator[None]:
    """A reader that stops listening (`| head`) ends the printing, not the command and its exit code."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in _GONE and not isinstance(error, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes there


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(forensics.__version__, prog_name="mirrortrace")
def main() -> None:
    """Reconstruct Windows Sandbox and VS Code tunnel sessions from a Windows host's evidence."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a name must not end the run
            stream.reconfigure(errors="backslashreplace")
    for name in ("SIGTERM", "SIGHUP"):  # Windows knows only the first
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # `nohup` stays what it is
            signal.signal(number, _leave)


def _leave(number: int, _: object) -> None:
    """End in order, so that scratch folders and workers go with us; a second signal must not stop that."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.exit(128 + number)


@main.command()
@click.argument("evidence", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The case folder to write.")
@click.option("--force", is_flag=True, help="Replace an existing case folder.")
@click.option("--context", "context_minutes", default=15.0, show_default=True, metavar="MINUTES",
              type=click.FloatRange(0, 1_000_000), callback=finite,
              help="How much around a session or finding is shown.")  # fmt: skip
@click.option(
    "--all-events",
    is_flag=True,
    help="Put every parsed row into the timeline, not only those near a session or finding.",
)
@click.option(
    "--start", type=MOMENT, help="Leave earlier events out of the timeline (not sessions); UTC without an offset."
)
@click.option(
    "--end", type=MOMENT, help="Leave later events out of the timeline (not sessions); UTC without an offset."
)
@click.option("--display-tz", default="UTC", show_default=True, help="Zone of the times on the terminal (files: UTC).")
@click.option("--evidence-tz", default="", metavar="ZONE",
              help="The host's zone where no SYSTEM hive tells it (Asia/Tokyo, 'Tokyo Standard Time').")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 64), help="Worker processes [default: one a core].")
@click.option("--job-seconds", type=click.FloatRange(1, 86_400), callback=finite, default=60.0, show_default=True,
              help="Wall clock of one file's parser, beside 1 s a MiB.")  # fmt: skip
@click.option("--job-memory", type=click.IntRange(256, 1_048_576), default=2048, show_default=True, metavar="MIB",
              help="Memory of one worker process.")  # fmt: skip
@click.option("--extract", "extract", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write a remote editor's saved copies and registry payloads there, neutrally named.")  # fmt: skip
@click.option("--rules", "rules", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Hold event records against the Sigma rules in DIR (docs/sigma.md).")  # fmt: skip
@opening_options
@click.option("--json", "as_json", is_flag=True, help="Print the sessions document on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No summary and no progress.")
@click.option("-v", "--verbose", is_flag=True, help="Also list every problem.")
@language_option
@click.option("--log-file", type=click.Path(dir_okay=False, path_type=Path), help="Write a log (JSON lines) there.")
def timeline(
    evidence: tuple[Path, ...], output: Path, *, force: bool, context_minutes: float, all_events: bool,
    start: datetime | None, end: datetime | None, display_tz: str, evidence_tz: str, jobs: int | None,
    job_seconds: float, job_memory: int, opening: Opening, as_json: bool, quiet: bool, verbose: bool,
    log_file: Path | None, extract: Path | None, rules: Path | None, lang: str,
) -> None:  # fmt: skip
    """The main job: evidence in, a case folder with timeline and sessions out.

    Times given without an offset are UTC. Evidence that holds several hosts gives a case folder for each of them,
    inside the one named. What cannot be opened costs only itself, as long as something can.
    """
    from forensics.assembly import check_target
    from forensics.case import CaseExistsError
    from forensics.extraction import check_folder, host_names, saved_copies, summary_of
    from forensics.hosts import cases, link
    from forensics.leftovers import left_behind
    from forensics.pipeline import Options
    from forensics.show import Log, Shower, zone_of
    from forensics.workers import MIB, Limits

    zone = _usage(lambda: zone_of(display_tz))
    _check_span(start, end)
    limits = Limits(seconds=job_seconds, memory=job_memory * MIB, jobs=jobs or 0)
    told = (context_minutes, all_events, start, end, limits, opening, _rules_in(rules), evidence_tz)
    options = _usage(lambda: Options(*told))
    try:
        check_target(output, evidence, force=force, log_file=log_file)
        if extract is not None:
            check_folder(extract, evidence, output)
        log = Log(log_file)
    except (CaseExistsError, OSError) as error:
        raise click.UsageError(str(error)) from None
    if not quiet and (dead := left_behind()):
        click.echo(f"killed runs left scratch folders, remove them: {', '.join(map(str, dead))}", err=True)
    made: list[tuple[Case, Path]] = []
    try:
        with Shower(quiet=quiet, log=log) as shower:
            for name, case in cases(*evidence, options=options, progress=shower):
                shower.stage("writing the case")
                made.append((case, case.save(output / name, force=force)))
            if len(made) > 1:
                link(made)
            if extract is not None:
                shower.stage("extracting saved copies")
                names = host_names(case for case, _ in made)
                said = summary_of(saved_copies(evidence, extract, options, names), extract)
                if not quiet:
                    click.echo(said, err=True)
    except CaseExistsError as error:
        raise click.UsageError(str(error)) from None
    except Exception as error:
        log.failed(error)
        _leave_if_evidence(error)
        _leave_if_disk(error, output)
        raise
    for case, _ in made:
        log.finished(case)
    with _printing():
        _tell(made, output, zone, lang, as_json=as_json, quiet=quiet, verbose=verbose)
    sys.exit(max(_code(case) for case, _ in made))


def _check_span(start: datetime | None, end: datetime | None) -> None:
    if start and end and end < start:
        raise click.UsageError("--end is before --start")


def _rules_in(folder: Path | None) -> Rules | None:
    """The rules of a folder; a folder without a single rule file is a mistake that must not pass unseen."""
    from forensics.rulefolder import read_rules

    if folder is None:
        return None
    try:
        rules = read_rules(folder)
    except OSError as error:
        raise click.UsageError(f"--rules {folder}: {error.strerror or error}") from None
    if not rules.rules and not rules.refused:
        raise click.UsageError(f"--rules {folder}: no .yml file in it")
    return rules


def _tell(
    made: list[tuple[Case, Path]], output: Path, zone: tzinfo, language: str, *, as_json: bool, quiet: bool,
    verbose: bool,
) -> None:  # fmt: skip
    """What a run says at its end: the failures in any case, then one JSON document, or the summaries."""
    from forensics.show import as_json as printed
    from forensics.show import failure, read_document, summary

    for case, _ in made:
        for problem in case.problems:
            if problem.fault == "not_opened":
                failure(problem.source.evidence, problem.detail)
    if as_json:  # the cases of this run: the folder may hold older ones
        whole = made[0][1] == output.resolve()
        click.echo(printed([("" if whole else place.name, read_document(place)) for _, place in made]))
    elif not quiet:
        for case, place in made:
            summary(read_document(place), case, place, zone, language, verbose=verbose)


@main.command()
@click.argument("evidence", type=click.Path(path_type=Path))
@opening_options
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def inspect(evidence: Path, *, opening: Opening, as_json: bool) -> None:
    """Say what the evidence is and which artifacts are present.

    The evidence is opened and searched, surviving sandbox disks in it too; none of the files found is parsed.
    """
    from forensics.hosts import inspect as look
    from forensics.pipeline import Options
    from forensics.show import inspection

    found, failed = _each(opening, lambda chosen: look(evidence, Options(opening=chosen)))
    with _printing():
        if as_json:
            _print_json(found)
        else:
            for item in found.values():
                inspection(item)
    sys.exit(PARTIAL if failed else COMPLETE)


@main.command()
@click.argument("evidence", type=click.Path(path_type=Path))
@opening_options
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def verify(evidence: Path, *, opening: Opening, as_json: bool, quiet: bool) -> None:
    """Hash the evidence and hold it against the hashes that were stored when it was taken.

    An E01 is read whole, every chunk is checked; of a collection every file whose hash the collector noted. Exit code 5
    when something does not match, 3 when the evidence stores no hash to hold it against (it is not verified then) or a
    file may not be read.
    """
    from forensics.pipeline import Options
    from forensics.show import Shower, verification
    from forensics.verify import verify as check

    with Shower(quiet=quiet) as shower:
        found, failed = _each(opening, lambda chosen: check(evidence, Options(opening=chosen), shower))
    with _printing():
        if as_json:
            _print_json({name: item.plain() for name, item in found.items()})
        else:
            for item in found.values():
                verification(item)
    codes = [
        DAMAGED if item.faults else COMPLETE if item.compared and not item.unread else PARTIAL
        for item in found.values()
    ]
    sys.exit(max([*codes, PARTIAL if failed else COMPLETE]))


def _each(opening: Opening, work: Callable[[Opening], T]) -> tuple[dict[str, T], bool]:
    """What `work` makes of the evidence or of each host in it, by name, and whether one could not be opened."""
    from forensics.evidence.base import EvidenceError
    from forensics.evidence.several import each
    from forensics.show import failure

    found: dict[str, T] = {}
    failed = False
    try:
        for name, outcome in each(opening, work):
            if isinstance(outcome, EvidenceError):
                failed = True
                failure(name, str(outcome))
            else:
                found[name] = outcome
    except EvidenceError as error:
        _leave_if_evidence(error)
    return found, failed


def _print_json(found: dict[str, Any]) -> None:
    """One result as it is; those of several hosts as a list, each with its name as `host`."""
    shown = found[""] if "" in found else [{"host": name, **item} for name, item in found.items()]
    click.echo(json.dumps(shown, ensure_ascii=False, indent=2))


@main.group()
def content() -> None:
    """What other tools need to take what this one reads."""


@content.command("export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace files of these names.")
def content_export(folder: Path, *, force: bool) -> None:
    """Write a KAPE target, a Velociraptor artifact and ForensicArtifacts definitions into FOLDER."""
    from forensics.content import export

    try:
        written = export(folder, force=force)
    except FileExistsError as error:
        raise click.UsageError(f"{folder} {error.strerror}") from None
    except OSError as error:
        raise click.UsageError(f"{folder} cannot be written: {error.strerror}") from None
    for path in written:
        click.echo(str(path))


@main.command()
@click.argument("case_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("part", default="summary", type=click.Choice(_PARTS))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option("--all", "every", is_flag=True, help="Of persistence: also what Windows itself brings.")
@click.option("--display-tz", default="UTC", show_default=True, help="Zone of the times shown.")
@language_option
def show(case_dir: Path, part: str, *, as_json: bool, every: bool, display_tz: str, lang: str) -> None:
    """Show a saved case again, without its evidence; of a folder of cases, all of them."""
    from forensics.show import as_json as printed
    from forensics.show import saved_cases, show_part, with_every_entry, zone_of

    zone = _usage(lambda: zone_of(display_tz))
    if every and part != "persistence":
        raise click.UsageError("--all is for show CASE_DIR persistence")
    try:
        cases = saved_cases(case_dir)
        if every:
            cases = with_every_entry(case_dir, cases)
        text = printed(cases, part) if as_json else ""
    except (OSError, ValueError, KeyError) as error:
        missing = isinstance(error, FileNotFoundError)
        why = "neither it nor a folder in it has a sessions.json" if missing else str(error)
        click.echo(f"{case_dir} is not a case folder: {why}", err=True)
        sys.exit(USAGE)
    with _printing():
        if as_json:
            click.echo(text)
        else:
            show_part(case_dir, cases, part, zone, lang)


def _usage(make: Callable[[], T]) -> T:
    try:
        return make()
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _leave_if_evidence(error: Exception) -> None:
    """End with one clear sentence and exit code 4 when the evidence cannot be used."""
    from forensics.evidence.base import EvidenceError
    from forensics.text import one_line

    if isinstance(error, EvidenceError):
        click.echo(one_line(str(error), 1000), err=True)
        sys.exit(UNOPENED)


def _leave_if_disk(error: Exception, output: Path) -> None:
    """End with one clear sentence when the disk is full or the output cannot be written."""
    from forensics.text import one_line

    if isinstance(error, OSError):
        where = error.filename or output
        click.echo(one_line(f"{where}: {error.strerror or error}; no case was written"), err=True)
        sys.exit(USAGE)


def _code(case: Case) -> int:
    from forensics.model import INTEGRITY_FAULTS

    if any(problem.fault in INTEGRITY_FAULTS for problem in case.problems):
        return DAMAGED
    return PARTIAL if case.problems else COMPLETE
