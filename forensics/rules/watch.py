"""Decide which rows matter by themselves, and which only as context of a session or finding.

Called for every process start, task run and file creation of a log, so it must be cheap: plain substrings first.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from forensics.rules import hosts, load
from forensics.rules.clearing import clearing

_LIMIT = 32 * 1024


@cache
def _substrings() -> tuple[str, ...]:
    return (*(text.casefold() for text in load("watch")["substrings"]), *hosts.signals())


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """What must be in a text for a pattern to be tried ("": nothing), and the pattern.

    Compiled one by one without IGNORECASE over lowered text: four times as fast as one alternation.
    """
    items = (*load("watch")["patterns"], *hosts.signal_patterns())
    told = ((item["needs"], item["pattern"]) if isinstance(item, dict) else ("", item) for item in items)
    return tuple((needs.casefold(), re.compile(text)) for needs, text in told)


@cache
def _autostarts() -> tuple[str, ...]:
    return tuple(text.casefold() for text in load("watch")["autostart_keys"])


def is_watched(*texts: str) -> bool:
    """Whether any of `texts` names something that bears on a session, persistence or wiping.

    The texts are those of rules/watch.yml and rules/hosts.yml, and commands that clear or blind, however dressed.
    """
    return _found("\n".join(text[:_LIMIT] for text in texts if text).casefold()) or any(
        clearing(text) for text in texts if text
    )


@lru_cache(maxsize=4096)
def _found(joined: str) -> bool:
    """Cached: a log names the same few programs again and again."""
    if any(text in joined for text in _substrings()):
        return True
    return any((not needs or needs in joined) and pattern.search(joined) for needs, pattern in _patterns())


def is_autostart_key(key_path: str) -> bool:
    """Whether this registry path (a value's full path counts) lies under an autostart key."""
    lowered = key_path.casefold() + "\\"
    return any(key in lowered for key in _autostarts())


@cache
def _web_scripts() -> re.Pattern[str]:
    return re.compile(load("watch")["web_scripts"])


def is_web_script(path: str) -> bool:
    """Whether a file of this path is a script in a folder of a web server."""
    return _web_scripts().search(path[:_LIMIT].casefold()) is not None


@cache
def _steering() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    data = load("watch")["steering"]
    return re.compile(data["pipes"]), re.compile(data["shares"]), re.compile(data["programs"])


def is_write(mask: str) -> bool:
    """Whether an access mask, as logs write it, is one for writing or appending to a file."""
    try:
        return bool(int(mask.strip() or "0", 0) & 0x6)
    except ValueError:
        return False


def is_steered(share: str, target: str, mask: str = "") -> bool:
    """Whether what was opened over the network steers this machine, or puts a program into an administrative share."""
    pipes, shares, programs = _steering()
    folded = target[:_LIMIT].casefold()
    if share.casefold().endswith("ipc$"):
        return pipes.search(folded) is not None
    return is_write(mask) and shares.search(share.casefold()) is not None and programs.search(folded) is not None


_LOOPED = re.compile(r"(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|(?:0{1,4}:){7}0{0,3}1")


def is_loopback(address: str) -> bool:
    """Whether an address is one of the machine to itself, however it is written."""
    return _LOOPED.fullmatch(address.strip().casefold()) is not None


def is_looped_desktop(source: str, source_port: str, target: str, target_port: str) -> bool:
    """Whether a connection is one of remote desktop over a loopback address, either end of it."""
    return "3389" in (source_port.strip(), target_port.strip()) and is_loopback(source) and is_loopback(target)


@cache
def _script_hosts() -> frozenset[str]:
    return frozenset(load("watch")["script_hosts"])


def is_script_host(name: str) -> bool:
    """Whether a program of this name runs what people and scripts tell it to."""
    return name.casefold() in _script_hosts()


@cache
def _backdating() -> tuple[re.Pattern[str], re.Pattern[str]]:
    data = load("watch")["backdated"]
    return re.compile(data["files"]), re.compile(data["installers"])


def is_backdating(path: str, image: str) -> bool:
    """Whether a program's time was set by something that is neither Windows nor an installed program."""
    files, installers = _backdating()
    return files.search(path[:_LIMIT].casefold()) is not None and installers.search(image.casefold()) is None


@cache
def _installed() -> re.Pattern[str]:
    return re.compile(load("watch")["installed"])


def is_installed(image: str) -> bool:
    """Whether a program lies where Windows and installed programs do."""
    return _installed().search(image.casefold()) is not None
