"""Compares a result of the tool with an `expected/sessions.json` that a person wrote from the scenario.

The expected file states what must come out, not how it is worded: it is a subset with a few suffixes on key names.
The rules are in `testdata/evidence/README.md`; `differences` is their only implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

# Lists that must agree item by item; any other expected list must be contained in the actual one.
EXACT = frozenset(
    {
        "sandbox_sessions", "tunnel_sessions", "hosting", "clients", "files_saved", "ports_forwarded", "cli_calls",
        "host_writes", "mapped_folders", "relay", "extensions",
    }
)  # fmt: skip
_FOLDED = frozenset({"vm_id", "wsb_path", "path", "source", "location", "task_name", "parent_process", "host",
                     "data_dir", "output_to"})  # fmt: skip


def differences(expected: Any, actual: Any, where: str = "") -> list[str]:  # noqa: ANN401  # JSON values
    """What of `expected` does not hold in `actual`, one sentence each; empty when all of it does."""
    if isinstance(expected, Mapping):
        if not isinstance(actual, Mapping):
            return [f"{where}: expected an object, found {actual!r}"]
        return [
            text
            for name, value in expected.items()
            if name != "absent"
            for text in _member(name, value, actual, f"{where}.{name}" if where else name)
        ] + _absent(expected.get("absent", {}), actual)
    if expected != actual:
        return [f"{where}: expected {expected!r}, found {actual!r}"]
    return []


def _member(name: str, value: Any, actual: Mapping[str, Any], where: str) -> list[str]:  # noqa: ANN401
    for suffix, check in _SUFFIXES.items():
        if name.endswith(suffix):
            plain = name.removesuffix(suffix)
            return check(value, actual.get(plain), where)
    found = actual.get(name)
    if isinstance(value, list):
        compare = _exact if name in EXACT else _contained
        return compare(value, found if isinstance(found, list) else [], where)
    if name in _FOLDED and isinstance(value, str) and isinstance(found, str):
        return differences(_fold(value), _fold(found), where)
    return differences(value, found, where)


def _between(limits: list[str], found: Any, where: str) -> list[str]:  # noqa: ANN401
    """ISO texts of one form (UTC, six digits) sort as the times do."""
    if not isinstance(found, str) or not limits[0] <= found <= limits[1]:
        return [f"{where}: {found!r} is not from {limits[0]} to {limits[1]}"]
    return []


def _contains(part: str, found: Any, where: str) -> list[str]:  # noqa: ANN401
    if not isinstance(found, str) or _fold(part) not in _fold(found):
        return [f"{where}: {part!r} is not in {found!r}"]
    return []


def _one_of(values: list[Any], found: Any, where: str) -> list[str]:  # noqa: ANN401
    return [] if found in values else [f"{where}: {found!r} is none of {values!r}"]


_Check = Callable[[Any, Any, str], list[str]]
_SUFFIXES: dict[str, _Check] = {"_between": _between, "_contains": _contains, "_one_of": _one_of}


def _exact(expected: list[Any], actual: list[Any], where: str) -> list[str]:
    if len(expected) != len(actual):
        return [f"{where}: expected {len(expected)} items, found {len(actual)}: {actual!r:.400}"]
    pairs = zip(expected, actual, strict=True)
    return [text for at, (left, right) in enumerate(pairs) for text in differences(left, right, f"{where}[{at}]")]


def _contained(expected: list[Any], actual: list[Any], where: str) -> list[str]:
    """Each expected item must fit some actual one; the nearest miss is what gets reported."""
    found: list[str] = []
    for at, item in enumerate(expected):
        misses: list[list[str]] = [differences(item, candidate, f"{where}[{at}]") for candidate in actual]
        if not misses:
            found.append(f"{where}[{at}]: no {item!r:.300}")
        elif all(misses):
            nearest = min(misses, key=len)
            found += nearest
    return found


def _absent(rules: Mapping[str, Iterable[str]], actual: Mapping[str, Any]) -> list[str]:
    """`list.key`: no item of that list may have one of these values there."""
    found: list[str] = []
    for path, banned in rules.items():
        name, key = path.split(".")
        unwanted = {_fold(value) for value in banned}
        values = [item[key] for item in actual.get(name, []) if isinstance(item.get(key), str)]
        found += [f"{path}: {value!r} must not be reported" for value in values if _fold(value) in unwanted]
    return found


def _fold(text: str) -> str:
    return text.replace("/", "\\").casefold()
