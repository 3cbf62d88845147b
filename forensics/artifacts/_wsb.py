"""A Windows Sandbox configuration as a row, from the file itself or from what the file system kept of it."""

from __future__ import annotations

from forensics.artifacts.base import Kind
from forensics.formats.wsb import Config
from forensics.model import MappedFolder, Value

# Wherever they lie: people keep them beside their tools, mail programs below INetCache, the Store version in Recipes.
WSB_GLOB = "**/*.wsb"
_SHOWN = 8 * 1024


def folder_text(folder: MappedFolder) -> str:
    """`host -> sandbox (rw)`; without the arrow when the place in the sandbox is not known."""
    mode = "ro" if folder.read_only else "rw"
    return f"{folder.host} -> {folder.sandbox} ({mode})" if folder.sandbox else f"{folder.host} ({mode})"


def config_fields(config: Config) -> dict[str, Value | None]:
    """A configuration as the fields of a row."""
    return {
        "wsb_networking": config.networking,
        "wsb_vgpu": config.vgpu,
        "wsb_memory_mb": config.memory_mb,
        "wsb_logon_command": config.logon_command,
        "wsb_clipboard": config.clipboard,
        "wsb_audio_input": config.audio_input,
        "wsb_video_input": config.video_input,
        "wsb_protected_client": config.protected_client,
        "wsb_printer": config.printer,
        "wsb_mapped_folders": tuple(folder_text(folder) for folder in config.mapped_folders),
        "wsb_unknown": tuple(f"{name}={text}" for name, text in config.unknown.items()),
        "wsb_defaults": config.absent,
        "wsb_notes": config.notes,
        "wsb_malformed": config.malformed,
        "wsb_dtd": config.dtd,
        "wsb_xml": config.xml[:_SHOWN],
    }


CONFIG = Kind(
    "Windows Sandbox configuration [{file_path}][?\\{path_tail}][, network {wsb_networking}]"
    "[, logon command {wsb_logon_command}][, malformed{wsb_malformed:flag}]"
    "[, recovered from the file's record{recovered:flag}][, deleted{file_deleted:flag}]",
    {
        "file_path": str,
        "path_tail": str,
        "file_name": str,
        "file_size": int,
        "file_sha256": str,
        "profile_user": str,
        "wsb_networking": bool,
        "wsb_vgpu": bool,
        "wsb_memory_mb": int,
        "wsb_logon_command": str,
        "wsb_clipboard": bool,
        "wsb_audio_input": bool,
        "wsb_video_input": bool,
        "wsb_protected_client": bool,
        "wsb_printer": bool,
        "wsb_mapped_folders": tuple[str, ...],
        "wsb_unknown": tuple[str, ...],
        "wsb_defaults": tuple[str, ...],
        "wsb_notes": tuple[str, ...],
        "wsb_malformed": bool,
        "wsb_dtd": bool,
        "wsb_xml": str,
        "recovered": bool,
        "file_deleted": bool,
        "file_reference": str,
    },
)
