r"""Remote-access tools: AnyDesk, TeamViewer, RustDesk, ScreenConnect, ngrok and their like, by what they leave.

Intruders bring such a program rather than malware of their own: it is signed, known and goes out through firewalls.
Administrators use the same, so a find is information, not an accusation; what counts is who installed it, when, and
whether anybody here knows of it. Told is each service whose name or program is one of theirs, each uninstall entry, and
the files that their use leaves (settings, logs), by rules/remote_tools.yml. Logs are not read. That a portable copy ran
is told by prefetch, Amcache and the like. Times are the key's last write or the file's own.
https://attack.mitre.org/techniques/T1219/ ; https://lolrmm.io
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from forensics.artifacts._registry import file_name, image_of, owner, place
from forensics.artifacts._tunnel import profile_user, times, windows_path
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive
from forensics.formats.hostinfo import text_of
from forensics.model import Fact, Source, Value, make_fact
from forensics.rules import load
from forensics.times import Moment

_UNINSTALL = "Microsoft\\Windows\\CurrentVersion\\Uninstall"
_WRITTEN = "Content Modification Time"


@dataclass(frozen=True, slots=True)
class _Tool:
    """One tool, its texts as patterns over folded text."""

    name: str
    services: tuple[re.Pattern[str], ...]
    products: tuple[re.Pattern[str], ...]
    programs: frozenset[str]
    folders: tuple[re.Pattern[str], ...]


@cache
def _tools() -> tuple[_Tool, ...]:
    return tuple(
        _Tool(
            item["name"],
            _compiled(item.get("services", ())),
            _compiled(item.get("products", ())),
            frozenset(item.get("programs", ())),
            _compiled(_of_glob(glob) for glob in item.get("folders", ())),
        )
        for item in load("remote_tools")["tools"]
    )


def _compiled(texts: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(text, re.IGNORECASE) for text in texts)


def _of_glob(glob: str) -> str:
    """A glob of the rules over the end of a path in the evidence."""
    inner = re.escape(glob).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return f"(?:^|/){inner}$"


def tool_of_service(name: str, image: str) -> str:
    """The tool that a service is of, by its name or by its program; "" for any other."""
    program = file_name(image_of(image)).casefold()
    for tool in _tools():
        if program in tool.programs or any(pattern.search(name) for pattern in tool.services):
            return tool.name
    return ""


def tool_of_product(name: str) -> str:
    """The tool that an uninstall entry is of, by its displayed name; "" for any other."""
    return next((tool.name for tool in _tools() if any(pattern.search(name[:1024]) for pattern in tool.products)), "")


def tool_of_path(path: str) -> str:
    """The tool that leaves a file of this path (forward slashes); "" for any other."""
    return next((tool.name for tool in _tools() if any(pattern.search(path) for pattern in tool.folders)), "")


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for each service and each installed program."""
    if hive.live.kind == "SYSTEM":
        yield from _services(hive, given)
        return
    before = "Software\\" if hive.live.kind == "NTUSER" else ""
    user, sid = owner(given) if before else (None, None)
    for twin in ("", "Wow6432Node\\"):
        listing = hive.key(f"{before}{twin}{_UNINSTALL}")
        for key in listing.subkeys() if listing else ():
            name = text_of(key, "DisplayName") or ""
            if tool := tool_of_product(name):
                fields: dict[str, Value | None] = {
                    "product_name": name,
                    "product_version": text_of(key, "DisplayVersion"),
                    "install_folder": text_of(key, "InstallLocation"),
                    "key_path": key.path,
                    "profile_user": user,
                    "user_sid": sid,
                }
                yield _row(place(given, key), {_WRITTEN: key.last_write}, tool, "uninstall entry", fields)


def _services(hive: Hive, given: FileInput) -> Iterator[Fact]:
    told: set[str] = set()
    for control_set in hive.control_sets():
        listing = hive.key(f"{control_set}\\Services")
        for key in listing.subkeys() if listing else ():
            image = text_of(key, "ImagePath") or ""
            tool = tool_of_service(key.name, image) if image else ""
            if tool and key.name.casefold() not in told:
                told.add(key.name.casefold())
                fields: dict[str, Value | None] = {
                    "service_name": key.name, "command_line": image, "key_path": key.path,
                }  # fmt: skip
                yield _row(place(given, key), {_WRITTEN: key.last_write}, tool, "service", fields)


def _row(
    source: Source, moments: dict[str, Moment | None], tool: str, found_as: str, fields: dict[str, Value | None]
) -> Fact:  # fmt: skip
    return make_fact("remote_tool.present", source, moments, {"tool_name": tool, "found_as": found_as, **fields})


def parse_file(given: FileInput) -> Output:
    """One row for a file that a tool left."""
    tool = tool_of_path(given.path)
    if tool:
        fields: dict[str, Value | None] = {
            "file_path": windows_path(given.path),
            "file_size": given.size,
            "file_sha256": given.sha256,
            "profile_user": profile_user(given),
        }
        yield _row(given.source(), times(given), tool, "file", fields)


_EMITS = {
    "remote_tool.present": Kind(
        "Remote-access tool {tool_name} ({found_as})[: {product_name}][ {product_version}][: service {service_name}]"
        "[ runs {command_line}][: {file_path}][ (user {profile_user})]",
        {
            "tool_name": str,
            "found_as": str,
            "product_name": str,
            "product_version": str,
            "install_folder": str,
            "service_name": str,
            "command_line": str,
            "file_path": str,
            "file_size": int,
            "file_sha256": str,
            "key_path": str,
            "profile_user": str,
            "user_sid": str,
        },
    )
}
ARTIFACT = RegistryArtifact(
    name="remote_access_tools",
    hives=frozenset({"SYSTEM", "SOFTWARE", "NTUSER"}),
    parse=parse,
    emits=_EMITS,
    deleted=True,
)
FILES = FileArtifact(
    name="remote_tool_files",
    paths=tuple(dict.fromkeys(glob for item in load("remote_tools")["tools"] for glob in item.get("folders", ()))),
    parse=parse_file,
    emits=_EMITS,
)
