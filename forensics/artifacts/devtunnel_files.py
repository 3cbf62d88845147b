r"""What Microsoft's `devtunnel` leaves in a profile: its login caches, its folder, its unpacked and copied programs.

`%LOCALAPPDATA%\DevTunnels` holds `devtunnels-tokens-github` and `devtunnels-tokens-microsoft` (paths from issues of
microsoft/dev-tunnels). A cache of 0 bytes is one without a login; its times are about the first and the last login or
refresh. From memory: the cache is protected by DPAPI for the user. Its content is never told, only size, form and which
key opens it. What else lies there (the default tunnel: its name is not verified) is listed as files.
A single-file program unpacks itself to `Temp\.net\devtunnel` at its first start, and Visual Studio keeps a copy in
`Temp\DevTunnels` (LOLBAS); winget's folders and the copy in `.fx\bin` are from memory. Unpacked libraries are context.
"""

from __future__ import annotations

import re

from forensics.artifacts._dpapi import DPAPI, dpapi_fields
from forensics.artifacts._tunnel import home_globs, profile_user, times, windows_path
from forensics.artifacts.base import WHOLE_USER, FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, dpapi
from forensics.model import Problem, Value, make_fact

_NAME = "devtunnel_files"
_LIMIT = 1024 * 1024
_CACHE = re.compile(r"devtunnels-tokens-([\w.-]{1,40})", re.IGNORECASE)
_IN_HOME = (
    "AppData/Local/Temp/.net/devtunnel/**/*",
    "AppData/Local/Temp/DevTunnels/**/*",
    "AppData/Local/Microsoft/WinGet/Packages/Microsoft.devtunnel*/**/*",
    "AppData/Local/Microsoft/WinGet/Links/devtunnel*",
    ".fx/bin/**/devtunnel*",
)
_ELSEWHERE = (
    *("Windows/Temp/.net/devtunnel/**/*", "Windows/Temp/DevTunnels/**/*"),
    *(f"{tree}/**/devtunnel.exe" for tree in ("Users", "ProgramData", "Windows/Temp", "Temp", "Program Files")),
    *(f"{tree}/**/devtunnels-tokens-*" for tree in ("Users", "ProgramData", "Windows/Temp", "Temp")),
)
# Part of the folder's path, in lower case: what a file there is.
_MEANINGS = (
    ("/temp/.net/devtunnel/", "unpacked by the program at its first start"),
    ("/temp/devtunnels/", "copy that Visual Studio keeps"),
    ("/winget/packages/", "installed by winget"),
    ("/winget/links/", "link made by winget"),
    ("/.fx/bin/", "copy that Teams Toolkit keeps"),
    ("/appdata/local/devtunnels/", "data folder of devtunnel"),
)


def parse(given: FileInput) -> Output:
    """One row for every file."""
    name = given.path.rpartition("/")[2]
    fields: dict[str, Value | None] = {
        "file_path": windows_path(given.path),
        "file_name": name,
        "file_size": given.size,
        "profile_user": profile_user(given),
    }
    if cache := _CACHE.fullmatch(name):
        yield from _cache(given, fields, cache.group(1).casefold())
        return
    lowered = given.path.casefold()
    meaning = next((text for part, text in _MEANINGS if part in lowered), "program by its name")
    library = meaning.startswith("unpacked") and not name.casefold().startswith("devtunnel")
    fields |= {"file_sha256": given.sha256, "file_meaning": meaning}
    yield make_fact("devtunnel.file", given.source(), times(given), fields, context=library)


def _cache(given: FileInput, fields: dict[str, Value | None], provider: str) -> Output:
    """What can be said of a login cache without saying what is in it."""
    fields |= {"provider_name": provider, "present": given.size > 0}
    data = given.read(_LIMIT)
    if dpapi.is_blob(data):
        fields["cache_form"] = "protected by DPAPI"
        try:
            fields |= dpapi_fields(dpapi.read(data))
        except FormatError as error:
            yield Problem("bad_record", _NAME, given.source(), str(error))
    elif given.size:
        readable = data.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"{", b"[")
        fields["cache_form"] = "readable, not protected" if readable else "of unknown form"
    else:
        fields["cache_form"] = "empty: no login"
    yield make_fact("devtunnel.token_cache", given.source(), times(given), fields)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(*home_globs("AppData/Local/DevTunnels/**/*"), *(f"{WHOLE_USER}/{path}" for path in _IN_HOME), *_ELSEWHERE),
    parse=parse,
    emits={
        "devtunnel.token_cache": Kind(
            "Login cache of devtunnel for {provider_name}[ of {profile_user}]: {file_size} bytes, {cache_form}"
            "[, master key {dpapi_master_key}]",
            {
                "file_path": str,
                "file_name": str,
                "file_size": int,
                "profile_user": str,
                "provider_name": str,
                "present": bool,
                "cache_form": str,
                **DPAPI,
            },
        ),
        "devtunnel.file": Kind(
            "File of devtunnel[ of {profile_user}]: {file_path} ({file_meaning})",
            {
                "file_path": str,
                "file_name": str,
                "file_size": int,
                "file_sha256": str,
                "profile_user": str,
                "file_meaning": str,
            },
        ),
    },
)
