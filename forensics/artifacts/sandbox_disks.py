r"""Disks and saved states of sandbox sessions that are still there: what the sandbox wrote, to be opened by itself.

A session's `sandbox.vhdx` is deleted when it closes. One that is there means a crash, a pulled plug, an image taken
while the sandbox ran, or a session of `wsb start` that nobody stopped; then the guest's files, registry and event logs
are in it. It is a differencing disk: alone it reads as zeros where it should not, so its parent must be found first,
whose paths stand here as the disk names them (HCS writes `IgnoreRelativeLocator`, so the relative one may be wrong). A
log that is not empty: the last changes were not written to their place. `sandbox.vmgs` is the guest's firmware state.

Windows keeps machines of its own (templates, Application Guard) in the same folders: a disk is no session by itself.
Only the head is read and the file is not hashed: it may have 100 GB. Paths and deletion: public notes on HCS and on
both generations; format: [MS-VHDX], see `formats/vhdxhead.py`; the signature of the state: OpenVMM's `vmgs_format`.
"""

from __future__ import annotations

from forensics.artifacts._containers import CONTAINERS, about
from forensics.artifacts._tunnel import times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, vhdxhead
from forensics.model import Problem, Value, make_fact

_NAME = "sandbox_disks"
_STATE = b"GUESTRTS"
_SHARED: dict[str, type[str] | type[int]] = {
    "file_path": str, "file_name": str, "file_size": int, "container_id": str, "container_folder": str, "reason": str,
}  # fmt: skip
_NO_HASH = "not hashed: only its head was read"


def parse(given: FileInput) -> Output:
    """One row for a disk or a state, whatever is wrong with it; a problem names what is."""
    fields = about(given) | {"reason": _NO_HASH}
    if given.path.casefold().endswith(".vmgs"):
        if (begins := given.read(8)) != _STATE:
            detail = f"no guest state: it begins with {begins.hex() or 'nothing'}"
            yield Problem("bad_record", _NAME, given.source("offset 0x0"), detail)
        yield make_fact("sandbox.state_survived", given.source(), times(given), fields)
        return
    try:
        head = vhdxhead.read(given.fh)
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source("offset 0x0"), str(error))
        yield make_fact("sandbox.disk_survived", given.source(), times(given), fields)
        return
    if head.faults:
        yield Problem("bad_record", _NAME, given.source("the head of the disk"), "; ".join(head.faults))
    yield make_fact("sandbox.disk_survived", given.source(), times(given), fields | _told(head))


def _told(head: vhdxhead.Head) -> dict[str, Value | None]:
    return {
        "disk_differencing": head.differencing,
        "disk_parents": head.parents,
        "disk_parent_linkage": head.parent.get("parent_linkage"),
        "disk_virtual_size": head.virtual_size,
        "disk_block_size": head.block_size,
        "disk_virtual_id": head.disk_id,
        "disk_data_write": head.data_write,
        "disk_log": head.log_id,
        "disk_creator": head.creator,
    }


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=tuple(
        f"{CONTAINERS}/{folder}/*/sandbox.{suffix}"
        for folder in ("Sandboxes", "ContainerStorages")
        for suffix in ("vhdx", "vmgs")
    ),
    parse=parse,
    emits={
        "sandbox.disk_survived": Kind(
            "A disk of Windows Sandbox or Application Guard survived: {file_path}, {file_size} bytes"
            "[, a differencing disk{disk_differencing:flag}][ of {disk_parents}][, log {disk_log} not empty]; "
            "guest rows, if there are any, tell what could be read of it",
            {
                **_SHARED,
                "disk_differencing": bool,
                "disk_parents": tuple[str, ...],
                "disk_parent_linkage": str,
                "disk_virtual_size": int,
                "disk_block_size": int,
                "disk_virtual_id": str,
                "disk_data_write": str,
                "disk_log": str,
                "disk_creator": str,
            },
        ),
        "sandbox.state_survived": Kind(
            "The firmware state of a machine of Windows Sandbox or Application Guard survived: {file_path}, "
            "{file_size} bytes",
            {**_SHARED},
        ),
    },
    head_only=True,
)
