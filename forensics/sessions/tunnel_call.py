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
_LOOSE = re.compile(
    r"loose:[\\/](?P<drive>[A-Za-z])[\\/](?=(?:users|windows|programdata|program files)(?:[\\/]|$))", re.IGNORECASE
)
_HOSTS = re.compile(r"[A-Za-z]:[\\/]|[\\/]{1,2}[^\\/]")
_SERVERS = re.compile(r"\\servers\\(?P<quality>stable|insiders|exploration)-(?P<commit>[0-9a-f]{7,40})", re.IGNORECASE)
_NO_PATH = '"<>|*?:'
_SHELLS = frozenset({"cmd.exe", "cmd"})
_SHELL_SWITCH = re.compile(r"\s*/[a-z:]+", re.IGNORECASE)
# `> file`, `1> file`, `*>> file`; `2> file` holds errors only, and `2>&1` and `nul` no file at all.
_REDIRECTED = re.compile(r"(?<![2-9&])(?:[1*])?>>?\s*(?:\"(?P<quoted>[^\"]+)\"|(?P<plain>[^\s\"&|<>]+))")
_OUTPUT_OPTION = re.compile(
    r"(?:-RedirectStandardOutput|\|\s*(?:Out-File|Tee-Object|Set-Content)(?:\s+-(?:FilePath|Path))?)\s+"
    r"(?:[\"'](?P<quoted>[^\"']+)[\"']|(?P<plain>[^\s\"'&|]+))",
    re.IGNORECASE,
)
# Where a shell's own part of the line begins: a redirection, a pipe, the next command.
_SHELL_WORD = re.compile(r"[12*]?>|\||&")
_PORT_OPTIONS = frozenset({"-p", "--port-numbers", "--port-number"})
_PAIRED_VERBS = frozenset({"user", "port", "access"})
_TUNNEL_VERBS = frozenset(
    {"host", "delete", "show", "update", "create", "token", "set", "port create", "access create"}
)
_DEVTUNNEL_ID = re.compile(r"(?:[0-9bcdfghjklmnpqrstvwxz]{8}|[a-z0-9][a-z0-9-]{1,47}[a-z0-9])")
_CLUSTER = re.compile(r"(?:[a-z]{3,4}[0-9]{1,3}|asse|aue|brs|euw|use)")


@dataclass(frozen=True, slots=True)
class TunnelCall:
    """One command line of a tunnel program. `verb`: host | service internal-run | service install | status | ..."""

    product: str
    executable: str
    verb: str
    options: dict[str, str]
    renamed: bool
    words: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()

    @property
    def named_tunnel(self) -> tuple[str, str]:
        """(id, cluster) of the tunnel that the call names; each "" when it does not."""
        text = self.options.get("--tunnel-id", "")
        if not text and self.product == "devtunnel" and self.verb in _TUNNEL_VERBS:
            text = next(iter(self.words[len(self.verb.split()) :]), "")
        ident, _, cluster = text.partition(".")
        is_port = ident.isdecimal() and any(str(port) == ident for port in self.ports)
        ident = ident if _DEVTUNNEL_ID.fullmatch(ident) and not is_port else ""
        cluster = cluster or self.options.get("--cluster", "")
        return ident, cluster if ident and _CLUSTER.fullmatch(cluster) else ""

    @property
    def anonymous(self) -> bool:
        """Whether a dev tunnel lets everybody in, without a login."""
        return self.product == "devtunnel" and ("--allow-anonymous" in self.options or "-a" in self.options)

    @property
    def unregisters(self) -> bool:
        """Whether the call deletes the tunnel at the service."""
        return self.verb in (("delete", "delete-all") if self.product == "devtunnel" else ("unregister",))

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
        verb = " ".join(words[:2] if words[:1] and words[0] in _PAIRED_VERBS else words[:1])
        return TunnelCall(known, executable, verb, options, False, tuple(words), _ports(rest))
    if words[:1] != ["tunnel"]:
        return None
    lowered = rest.casefold()
    if known is None and not any(option in lowered for option in load("tunnel")["specific_options"]):
        return None
    verb = " ".join(words[1:3]) if words[1:2] and words[1] in ("service", "user") else "".join(words[1:2])
    product = known or "vscode"
    return TunnelCall(product, executable, verb or "host", options, known is None, tuple(words))


def _ports(arguments: str) -> tuple[int, ...]:
    """The ports of a dev tunnel's command line: `-p` takes several, and stands several times."""
    found: list[int] = []
    taking = False
    for token in _TOKEN.findall(arguments[:_LIMIT]):
        name, equals, value = token.replace('"', "").partition("=")
        if name.startswith("-"):
            taking = name.casefold() in _PORT_OPTIONS
            name = value if equals else ""
        if taking and name.isascii() and name.isdecimal() and 0 < int(name[:6]) < 65536:
            found.append(int(name))
    return tuple(dict.fromkeys(found))


def wrapped_call(command_line: str) -> TunnelCall | None:
    """The call of a command line, also of one given to a command interpreter (`cmd.exe /c code.exe tunnel`)."""
    call = tunnel_call(command_line)
    inner = None if call else _inner(command_line)
    return call or (tunnel_call(inner) if inner else None)


def _inner(command_line: str) -> str | None:
    executable, rest = split_command(command_line)
    if basename(executable) not in _SHELLS:
        return None
    while match := _SHELL_SWITCH.match(rest):
        rest = rest[match.end() :]
    inner = rest.strip()
    # `cmd /c "..."` strips the outer quotes when there are more inside.
    if inner.startswith('"') and inner.endswith('"') and inner.count('"') > 2:
        inner = inner[1:-1]
    return inner or None


def output_of(command_line: str) -> str | None:
    """The file that a shell's command line sends the standard output of its program to."""
    text = command_line[:_LIMIT]
    for match in (*_OUTPUT_OPTION.finditer(text), *_REDIRECTED.finditer(text)):
        path = match["quoted"] or match["plain"]
        if path.casefold() not in ("nul", "$null", "nul:") and not path.startswith("&"):
            return path
    return None


def _words(arguments: str) -> tuple[list[str], dict[str, str]]:
    """(words that are no options, options with their values); the value of an option is no word."""
    with_value = load("tunnel")["options_with_value"]
    words: list[str] = []
    options: dict[str, str] = {}
    waiting = ""
    for token in _TOKEN.findall(arguments[:_LIMIT]):
        plain = token.replace('"', "")
        if _SHELL_WORD.match(plain):
            break
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
            return on_host("\\".join(parts[: index + 1])), product
        if product and parts[index + 1 : index + 2] and parts[index + 1].casefold() == "cli":
            return on_host("\\".join(parts[: index + 2])), product
    return None


def on_host(path: str) -> str:
    """The path as it was on the host, where loose files keep the tree of its drive (`loose:/C/...`)."""
    match = _LOOSE.match(path)
    return f"{match['drive'].upper()}:\\{path[match.end() :]}" if match else path


def is_on_host(path: str) -> bool:
    """Whether a path is one of the host; a file that was collected without its folders lies nowhere (`loose:`)."""
    return _HOSTS.match(path) is not None


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


def profile_in(path: str) -> str | None:
    """The profile folder's name in a path; the service account whose profile it is below."""
    parts = path.replace("/", "\\").split("\\")
    lowered = [part.casefold() for part in parts]
    if "systemprofile" in lowered:
        return "SYSTEM"
    for parent in ("users", "serviceprofiles"):
        index = lowered.index(parent) if parent in lowered else -1
        if 0 <= index < len(parts) - 1:
            return parts[index + 1]
    return None


def is_cli(path: str) -> bool:
    """Whether a data folder, or a path in one, is the CLI's; Remote-SSH keeps its own below `.vscode-server`."""
    return ".vscode-server" not in path.casefold()
