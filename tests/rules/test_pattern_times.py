"""No pattern of the rules' data takes long on any text: they are matched against what an attacker wrote.

Each is searched in repetitions of signs and words, of its own words, and of texts that it matches, each followed by
what it does not match: that makes a pattern try every way of reading a text. Quadratic ones take seconds on 16 KiB,
exponential ones for ever, so a short text comes first.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forensics.rules.engine import hits, rules_of
from forensics.sessions.persistence_scored import known_entry
from forensics.sessions.persistence_targets import target_of
from tests.conftest import ROOT
from tests.rules.patterns import of_file, samples

FILES = sorted(path.stem for path in Path(ROOT / "forensics" / "rules").glob("*.yml"))
PATTERNS = [item for name in FILES for item in of_file(name)]
LENGTH = 16 * 1024
SIGNS = (
    "a", " ", "\\", '"', "-", "--a ", "%", "%a%", "c:\\", "..\\", "a\\", "/", ".", "0", "=", ",", "a.dll,", '"a" ', "{",
    "1.", "code --a ", "code -a b ", "msbuild ", "tunnel ", "c:\\programdata\\", "\\\\a\\", "a:b", "&", "^", "http://",
)  # fmt: skip
SLOWEST = 1.0  # seconds for one search, on whatever machine; linear ones take a few milliseconds
WORD = re.compile(r"[a-z]{3,}", re.IGNORECASE)


def texts(pattern: str) -> Iterator[str]:
    """Texts on which a pattern may take long."""
    words = list(dict.fromkeys(WORD.findall(re.sub(r"\\[a-zA-Z]|\(\?[a-z:]+", "|", pattern))))[:8]
    pieces = [*SIGNS, *(word + tail for word in words for tail in (" ", "\\", ".exe "))]
    fitting = samples(pattern, 6)[:3]
    yield from (*pieces, *(text[:200] for text in fitting if text))
    for text in fitting:
        yield from (text[:200] + sign for sign in ("--a ", "\\a", " a", "a", '"a" '))


def repeated(piece: str, length: int) -> str:
    return (piece * (length // len(piece) + 1))[:length]


def seconds(pattern: re.Pattern[str], text: str) -> float:
    begin = time.perf_counter()
    pattern.search(text)
    return time.perf_counter() - begin


@pytest.mark.parametrize("name", FILES)
def test_no_pattern_takes_long(name: str) -> None:
    slow: list[tuple[str, str, float]] = []
    for text, which in {text: which for which, text in of_file(name)}.items():
        try:
            pattern = re.compile(text, re.IGNORECASE)
        except re.error:  # a path or a sentence, no pattern
            continue
        slow += ((which, piece[:40], took) for piece in texts(text) if (took := longest(pattern, piece)))
    assert slow == []


def longest(pattern: re.Pattern[str], piece: str) -> float:
    """How long the pattern takes on repetitions of a piece when that is too long, else 0.

    An exponential one shows on a text that is too short for a quadratic one. What takes less than a 64th of the time on
    a quarter of the text grows faster than its cube before it takes too long on all of it: the rest need not be asked.
    """
    for length in (24 * len(piece), LENGTH // 4, LENGTH):
        tried = repeated(piece, length) + "\x00"
        took = seconds(pattern, tried)
        if took > SLOWEST and (again := seconds(pattern, tried)) > SLOWEST:  # a busy machine is asked twice
            return again
        if length == LENGTH // 4 and took < SLOWEST / 64:
            break
    return 0.0


@pytest.mark.parametrize("text", ["(?:aa?)+b", "a*b"], ids=["exponential", "quadratic"])
def test_a_slow_one_would_be_seen(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.SLOWEST", 0.001)
    assert longest(re.compile(text), "a") > 0.001


@pytest.mark.parametrize(
    "command",
    [
        "C:\\x\\code.exe " + "--a " * 4000,
        "rundll32.exe " + "\\" * 32000,
        "C:\\Users\\x\\AppData\\Local\\Microsoft\\WindowsApps\\" + "ms-teams.exe" * 100000 + "\nX",
        "cmd /c " * 4000,
        "..\\" * 5000 + "1",
        "%tmp%" * 4000,
        '"' * 16000,
    ],
    ids=lambda text: text[:16],
)
def test_known_killers(command: str) -> None:
    begin = time.perf_counter()
    target_of(command, "", None)
    known_entry({"mechanism": "run_key", "name": "Teams", "command": command})
    for mechanism in ("run_key", "print_port", "scheduled_task"):
        facts = {"mechanism": mechanism, "name": command, "command": command, "executable": command}
        hits((*rules_of("persistence"), *rules_of("autoruns")), {**facts, "arguments": command, "library": command})
    assert time.perf_counter() - begin < 3
