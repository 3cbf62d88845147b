"""Reading a `code tunnel` or `devtunnel` command line: which program, which verb, which options.

The grammar is the CLI's own (global options may stand before `tunnel`, verbs after it). A `code-tunnel.exe tunnel
status` of the desktop program says nothing about a tunnel; `tunnel` without a verb and `service internal-run` host one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from forensics.rules import load
from forensics.sessions.texts import basename, drive_before, norm, split_command

_TOKEN = re.compile(r'(?:"[^"]*"|[^\s"])+')
_LIMIT = 8 * 1024
_SERVERS = re.compile(r"\\servers\\(?P<quality>stable|insiders|exploration)-(?P<commit>[0-9a-f]{7,40})", re.IGNORECASE)
_NO_PATH = '"<>|*?:'


@dataclass(frozen=True, slots=True)
class TunnelCall:
    """One command line of a tunnel program. `verb`: host | service internal-run | service install | status | ..."""

    product: str
    executable: str
    verb: str
    options: dict[str, str]
    renamed: bool

    @property
    def hosts(self) -> bool:
        """Whether this process keeps a tunnel open."""
        return self.verb in ("host", "service internal-run")

    @property
    def idle(self) -> bool:
        """Whether the call says nothing about a tunnel being hosted or prepared."""
        return self.verb in load("tunnel")["idle_verbs"]

    @property
    def as_service(self) -> bool:
        """Whether it is what the Run value or service starts."""
        return self.verb == "service internal-run"


@cache
def _programs() -> dict[str, str]:
    return {name: product for product, names in load("tunnel")["programs"].items() for name in names}


def tunnel_call(command_line: str) -> TunnelCall | None:
    """The call that a command line makes, None when it is none of a tunnel program."""
    if "tunnel" not in command_line.casefold():
        return None
    executable, rest = split_command(command_line)
    name = basename(executable)
    words, options = _words(rest)
    known = _programs().get(name)
    if known == "devtunnel":
        return TunnelCall(known, executable, "host" if words[:1] == ["host"] else " ".join(words[:1]), options, False)
    if words[:1] != ["tunnel"]:
        return None
    lowered = rest.casefold()
    if known is None and not any(option in lowered for option in load("tunnel")["specific_options"]):
        return None
    verb = " ".join(words[1:3]) if words[1:2] == ["service"] else "".join(words[1:2])
    product = known or "vscode"
    return TunnelCall(product, executable, verb or "host", options, known is None)


def _words(arguments: str) -> tuple[list[str], dict[str, str]]:
    """(words that are no options, options with their values); the value of an option is no word."""
    with_value = load("tunnel")["options_with_value"]
    words: list[str] = []
    options: dict[str, str] = {}
    waiting = ""
    for token in _TOKEN.findall(arguments[:_LIMIT]):
        plain = token.replace('"', "")
        if waiting:
            options[waiting], waiting = plain, ""
        elif plain.startswith("-"):
            name, equals, value = plain.partition("=")
            options[name.casefold()] = value
            waiting = name.casefold() if not equals and name.casefold() in with_value else ""
        else:
            words.append(plain.casefold())
    return words, options


def data_dir_of(path: str) -> tuple[str, str] | None:
    """(data folder, product) of a path in or below a CLI data folder at its usual place (`...\\.vscode\\cli`)."""
    parts = path.replace("/", "\\").split("\\")
    folders = load("tunnel")["data_folders"]
    for index, part in enumerate(parts):
        product = folders.get(part.casefold())
        if product and part.casefold() == ".vscode-cli":
            return "\\".join(parts[: index + 1]), product
        if product and parts[index + 1 : index + 2] and parts[index + 1].casefold() == "cli":
            return "\\".join(parts[: index + 2]), product
    return None


def servers_in(text: str) -> tuple[str, str, str] | None:
    """(data folder, quality, commit) of a text that names a server below one (`...\\servers\\Stable-<commit>\\...`)."""
    text = text[:_LIMIT].replace("/", "\\")
    for match in _SERVERS.finditer(text):
        if root := _root(text[: match.start()]):
            return root, match["quality"].capitalize(), match["commit"].casefold()
    return None


def _root(before: str) -> str:
    """The path at the end of a text, from its drive or first backslash on."""
    run = max(map(before.rfind, _NO_PATH)) + 1
    start = drive_before(before, run)
    return before[start:] if start < run else before[run:][before[run:].find("\\") :] if "\\" in before[run:] else ""


def product_of(data_dir: str, quality: str = "") -> str:
    """The product that keeps its state in such a folder."""
    if quality.casefold() == "insiders":
        return "vscode-insiders"
    parts = norm(data_dir).split("\\")
    folders = load("tunnel")["data_folders"]
    return next((folders[part] for part in reversed(parts) if part in folders), "vscode")
