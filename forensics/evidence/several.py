"""Evidence that turns out to hold several hosts or collections: the same work for each, and one costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from forensics.evidence.base import EvidenceError, Opening, SeveralError

T = TypeVar("T")
_SAID = 3
_NOTHING = "nothing could be opened: "


def each(opening: Opening, work: Callable[[Opening], T]) -> Iterator[tuple[str, T | EvidenceError]]:
    """What `work` makes of the evidence; of each host in it, by name, where it holds several ("" where it does not).

    A host that cannot be opened gives its error in place of a result. Raises the EvidenceError when nothing could be
    opened at all, and SeveralError when `opening` names a host that holds several itself.
    """
    try:
        alone = work(opening)
    except SeveralError as error:
        if opening.host is not None:
            raise
        hosts = error.hosts
    else:
        yield "", alone
        return
    failed: list[tuple[str, EvidenceError]] = []
    found = False
    for host, outcome in _inside(hosts, opening, work, set()):
        if isinstance(outcome, EvidenceError) and not found:
            failed.append((host, outcome))  # nothing is said to be done before something is
            continue
        if not found:
            yield from failed
        found = True
        yield host, outcome
    if not found:
        raise joined([error for _, error in failed])


def _inside(
    hosts: Iterable[str], opening: Opening, work: Callable[[Opening], T], seen: set[str]
) -> Iterator[tuple[str, T | EvidenceError]]:
    for host in hosts:
        if host in seen:
            continue
        seen.add(host)
        try:
            outcome: T | EvidenceError = work(replace(opening, host=host))
        except SeveralError as error:  # a container among them that holds several itself
            yield from _inside(error.hosts, opening, work, seen)
            continue
        except EvidenceError as error:
            outcome = error
        yield host, outcome


def joined(errors: list[EvidenceError]) -> EvidenceError:
    """Several errors as one sentence."""
    if len(errors) == 1:
        return errors[0]
    more = f"; and {len(errors) - _SAID} more" if len(errors) > _SAID else ""
    text = "; ".join(str(error).removeprefix(_NOTHING) for error in errors[:_SAID])
    return EvidenceError(f"{_NOTHING}{text}{more}", integrity=any(error.integrity for error in errors))
