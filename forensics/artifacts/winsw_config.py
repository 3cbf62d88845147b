r"""Configurations of the service wrapper WinSW: the command line that a service really runs.

Intruders wrap the tunnel's program as a service under a name of their own. The registry then shows only the wrapper, a
renamed `WinSW.exe`; program, arguments and the folder of the captured output (`<name>.out.log`, where the tunnel's
device code appears) are in an XML or YAML file of the same name beside it. A file proves the configuration, not that
the service was installed: `services` and 7045 tell that, by the same service name. Configurations that run nothing
watched are context. Files are sought where users and programs can write, and known by their content, not their name.
Passwords of service accounts are not read, and of variables only the names.

Format: `formats/winsw.py`.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import profile_user, times, windows_path
from forensics.artifacts._xmlfile import malformed
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import winsw
from forensics.formats.textfile import decode
from forensics.model import Value, make_fact
from forensics.rules.watch import is_watched

_NAME = "winsw_config"
_LIMIT = 256 * 1024  # none is larger than a few KiB; other files are looked at no further


def parse(given: FileInput) -> Output:
    """One row for a configuration, nothing for any other XML or YAML file."""
    if given.size > _LIMIT:
        return
    text = decode(given.read(_LIMIT)).text
    path = windows_path(given.path)
    folder = path.rpartition("\\")[0]
    is_xml = path.casefold().endswith(".xml")
    found = winsw.from_xml(text, folder) if is_xml else winsw.from_yaml(text, folder)
    if found is None:
        return
    if found.notes:
        yield from malformed(_NAME, given, found.notes)
    fields: dict[str, Value | None] = {
        "service_name": found.service,
        "service_display_name": found.display_name,
        "command_line": found.command_line,
        "executable": found.program,
        "working_directory": found.folder,
        "output_path": found.log_path or folder,
        "service_account": found.account,
        "start_type": found.start_mode,
        "environment_names": found.variables,
        "file_path": path,
        "file_sha256": given.sha256,
        "profile_user": profile_user(given),
    }
    kept = is_watched(found.service, found.command_line, *found.variables)
    yield make_fact("service.wrapper_config", given.source(), times(given), fields, context=not kept)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(
        *(f"{tree}/**/*.xml" for tree in ("Users", "ProgramData", "Windows/Temp", "Temp")),
        *(f"{tree}/**/*.{end}" for tree in ("Users/Public", "ProgramData", "Windows/Temp") for end in ("yml", "yaml")),
    ),
    parse=parse,
    emits={
        "service.wrapper_config": Kind(
            "Service {service_name} is to run[ {command_line}][ as {service_account}][, output to {output_path}]"
            " (wrapper's configuration {file_path})",
            {
                "service_name": str,
                "service_display_name": str,
                "command_line": str,
                "executable": str,
                "working_directory": str,
                "output_path": str,
                "service_account": str,
                "start_type": str,
                "environment_names": tuple[str, ...],
                "file_path": str,
                "file_sha256": str,
                "profile_user": str,
            },
        )
    },
)
