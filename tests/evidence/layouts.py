"""The files of ws-tanaka in every layout a responder may hold, made from the shipped KAPE folder and E01."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import pyzipper

from forensics.evidence.ewf import segments_of
from forensics.evidence.ewf_media import EwfMedia
from testdata.collections import escape
from testdata.host import scenario
from testdata.image import VOLUME_START
from testdata.render import whole
from testdata.writers import ntfs
from testdata.writers.disk import Part, fat16, gpt, mbr
from tests.running import BUILT

KAPE = BUILT / "kape/WS-TANAKA"
E01 = BUILT / "e01/ws-tanaka.E01"
PASSWORD = "インシデント2024"
Tree = dict[str, bytes]


class Layout(NamedTuple):
    """What to open, and the options that it needs."""

    path: Path
    options: tuple[str, ...] = ()


def tree() -> Tree:
    """The collected files by their path on the volume."""
    root = KAPE / "C"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def folder(top: Path, files: Tree) -> Path:
    """Write files below a folder."""
    for name, data in files.items():
        place = top / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return top


def under(prefix: str, files: Tree) -> Tree:
    """The same files below a prefix."""
    return {f"{prefix}{name}": data for name, data in files.items()}


def zipped(path: Path, files: Tree) -> Path:
    """A zip of files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: Tree, mode: str = "w") -> Path:
    """A tar of files."""
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


# -- KAPE ----------------------------------------------------------------------------------------------------------


def kape_above(top: Path) -> Layout:
    shutil.copytree(KAPE, top / "out" / "WS-TANAKA")
    return Layout(top / "out")


def kape_without_journal(top: Path) -> Layout:
    shutil.copytree(KAPE, top / "WS-TANAKA", ignore=shutil.ignore_patterns("$Extend"))
    (copylog,) = (top / "WS-TANAKA").glob("*_copylog.csv")
    rows = copylog.read_bytes().splitlines(keepends=True)
    copylog.write_bytes(b"".join(row for row in rows if b"$Extend" not in row))
    return Layout(top / "WS-TANAKA")


def kape_zip(top: Path) -> Layout:
    """As KAPE names and packs it: the host before the drive, backslashes, capitals."""
    files = under("WS-TANAKA/C/", tree())
    path = top / "2024-12-06T011011_WS-TANAKA.ZIP"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("/", "\\")
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return Layout(path)


def kape_zip_cp932(top: Path) -> Layout:
    """Names in the code page of a Japanese Windows, without the flag that says UTF-8."""
    path = top / "jp.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in under("C/", tree()).items():
            info = Cp932(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return Layout(path)


class Cp932(zipfile.ZipInfo):
    """An entry whose name is written as cp932."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802  # zipfile's own name
        return self.filename.encode("cp932"), self.flag_bits & ~0x800


def kape_zip_password(top: Path) -> Layout:
    path = top / "locked.zip"
    with pyzipper.AESZipFile(path, "w", compression=zipfile.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(PASSWORD.encode())
        for name, data in under("C/", tree()).items():
            archive.writestr(name, data)
    return Layout(path, ("--password", PASSWORD))


def kape_vhdx(top: Path) -> Layout:
    """A VHDX whose volume holds `C/...`, in a zip, as `--vhdx` with `--zv` leaves it."""
    raw = volume(top, under("C/", tree()))
    convert(raw, top / "2024_Triage.vhdx", "vhdx")
    with zipfile.ZipFile(top / "2024_Triage.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(top / "2024_Triage.vhdx", "2024_Triage.vhdx")
    (top / "2024_Triage.vhdx").unlink()
    return Layout(top / "2024_Triage.zip")


def volume(top: Path, files: Tree, name: str = "volume", size: int = 48 << 20) -> Path:
    """An NTFS volume with these files."""
    if missing := ntfs.missing_tools():
        pytest.skip(f"needs {', '.join(missing)}")
    moment = whole(scenario("ws-tanaka"))
    contents = {name: (data, moment) for name, data in files.items() if "$" not in name}
    folders = {"/".join(name.split("/")[:depth]) for name in contents for depth in range(1, name.count("/") + 1)}
    described = ntfs.Description(contents, dict.fromkeys(folders, moment), moment, 0x1122334455667788)
    try:
        ntfs.build(top / f"{name}.raw", size, described)
    except OSError as error:
        pytest.skip(f"this machine may not mount: {error}")
    return top / f"{name}.raw"


# -- Velociraptor --------------------------------------------------------------------------------------------------


def uploads(accessor: str, device: str = "C:") -> Tree:
    """The files as an accessor uploads them."""
    made = {}
    for name, data in tree().items():
        parts = ["uploads", accessor, device, *name.split("/")]
        made["/".join([*parts[:2], *map(escape, parts[2:])])] = data
    return made


def shipped_members() -> Tree:
    """The members of the shipped collector zip."""
    (path,) = (BUILT / "velociraptor").glob("*.zip")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def velociraptor_folder(top: Path) -> Layout:
    return Layout(folder(top / "collection", shipped_members()))


def velociraptor_ntfs(top: Path) -> Layout:
    """The `ntfs` accessor for all, without `uploads.json`."""
    return Layout(zipped(top / "c.zip", uploads("ntfs", "\\\\.\\C:")))


def velociraptor_file(top: Path) -> Layout:
    return Layout(zipped(top / "c.ZIP", uploads("file")))


def velociraptor_vss_only(top: Path) -> Layout:
    """Everything out of one shadow copy."""
    device = "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy3"
    return Layout(zipped(top / "c.zip", uploads("ntfs", device)))


def velociraptor_in_a_zip(top: Path) -> Layout:
    (path,) = (BUILT / "velociraptor").glob("*.zip")
    return Layout(zipped(top / "outer.zip", {f"export/{path.name}": path.read_bytes(), "readme.txt": b"hello"}))


def velociraptor_encrypted(top: Path) -> Layout:
    """`metadata.json` beside an AES-encrypted `data.zip`."""
    (path,) = (BUILT / "velociraptor").glob("*.zip")
    target = top / "encrypted.zip"
    with pyzipper.AESZipFile(target, "w", compression=zipfile.ZIP_STORED) as archive:
        archive.writestr("metadata.json", json.dumps([{"Scheme": "Password"}]))
        archive.setencryption(pyzipper.WZ_AES, nbits=256)
        archive.setpassword(PASSWORD.encode())
        archive.writestr("data.zip", path.read_bytes())
    return Layout(target, ("--password", PASSWORD))


# -- others --------------------------------------------------------------------------------------------------------


def cylr_zip(top: Path) -> Layout:
    return Layout(zipped(top / "WS-TANAKA.zip", under("C/", tree())))


def cylr_tar_gz(top: Path) -> Layout:
    return Layout(tarred(top / "WS-TANAKA.tar.gz", under("C/", tree()), "w:gz"))


def acquire_tar(top: Path) -> Layout:
    return Layout(tarred(top / "WS-TANAKA_20241206.tar", under("fs/C:/", tree())))


def acquire_rootfs(top: Path) -> Layout:
    return Layout(tarred(top / "WS-TANAKA.tar.gz", under("fs/$rootfs$/", tree()), "w:gz"))


def tar_of_windows(top: Path) -> Layout:
    return Layout(tarred(top / "root.tar", under("./", tree())))


def tar_xz(top: Path) -> Layout:
    return Layout(tarred(top / "c.tar.xz", under("case/c/", tree()), "w:xz"))


def uac(top: Path) -> Layout:
    return Layout(tarred(top / "uac-ws-tanaka.tar.gz", {"uac.log": b"x", **under("[root]/", tree())}, "w:gz"))


def plain_folder(top: Path) -> Layout:
    return Layout(folder(top / "mnt", tree()))


def lower_case(top: Path) -> Layout:
    """A copy from a file system that knows one case only."""
    return Layout(folder(top / "export", {name.lower(): data for name, data in under("C/", tree()).items()}))


# -- images --------------------------------------------------------------------------------------------------------


def raw_of(top: Path) -> Path:
    """The media of the shipped E01."""
    target = top / "disk.raw"
    size, blocks = _media()
    with target.open("wb") as handle:
        for offset, block in blocks:
            handle.seek(offset)
            handle.write(block)
        handle.truncate(size)
    return target


@cache
def _media() -> tuple[int, list[tuple[int, bytes]]]:
    """The size of the shipped E01's media, and its blocks that are not empty: unpacked once for many tests."""
    media = EwfMedia(segments_of(E01))
    blocks = []
    for offset in range(0, media.size, 1 << 20):
        block = media.read(1 << 20)
        if block.strip(b"\x00"):
            blocks.append((offset, block))
    return media.size, blocks


def raw(top: Path) -> Layout:
    return Layout(raw_of(top))


def raw_gz(top: Path) -> Layout:
    source = raw_of(top)
    with source.open("rb") as handle, gzip.open(top / "disk.dd.gz", "wb", compresslevel=1) as target:
        shutil.copyfileobj(handle, target, 1 << 20)
    return Layout(top / "disk.dd.gz")


def split_raw(top: Path) -> Layout:
    source, parts = raw_of(top), 0
    with source.open("rb") as handle:
        while block := handle.read(20 << 20):
            parts += 1
            (top / f"disk.{parts:03d}").write_bytes(block)
    source.unlink()
    return Layout(top / "disk.001")


def convert(source: Path, target: Path, kind: str) -> Path:
    """Another container for the same media, by QEMU's own writer."""
    if shutil.which("qemu-img") is None:
        pytest.skip("needs qemu-img")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, str(source), str(target)], check=True)
    source.unlink()
    return target


def lower_e01(top: Path) -> Layout:
    """Lower-case suffixes, and the notes that an examiner keeps beside the image."""
    for part in segments_of(E01):
        shutil.copyfile(part, top / f"disk{part.suffix.lower()}")
    (top / "disk.txt").write_text("seized 2024-12-06")
    return Layout(top / "disk.e01")


def in_container(kind: str, suffix: str) -> Callable[[Path], Layout]:
    """A layout for a container format."""
    return lambda top: Layout(convert(raw_of(top), top / f"disk.{suffix}", kind))


def windows_volume(top: Path) -> Path:
    """The Windows volume of the shipped disk, on its own."""
    disk, target = raw_of(top), top / "windows.raw"
    with disk.open("rb") as source, target.open("wb") as handle:
        source.seek(VOLUME_START)
        while block := source.read(1 << 20):
            handle.write(block) if block.strip(b"\x00") else handle.seek(len(block), 1)
        handle.truncate(disk.stat().st_size - VOLUME_START)
    disk.unlink()
    return target


def logical_drive(top: Path) -> Layout:
    """The volume alone, without a partition table."""
    return Layout(windows_volume(top))


def gpt_parts(top: Path) -> list[Part]:
    """What Windows Setup leaves in front of the data: EFI, reserved, Windows."""
    return [
        Part("EFI system partition", fat16({"BOOT.TXT": b"hello"})),
        Part("Microsoft reserved partition", 2 << 20),
        Part("Basic data partition", windows_volume(top)),
    ]


def gpt_disk(top: Path) -> Layout:
    return Layout(gpt(top / "disk.dd", gpt_parts(top)))


def mbr_disk(top: Path) -> Layout:
    parts = [Part("EFI system partition", fat16({})), Part("Basic data partition", windows_volume(top))]
    return Layout(mbr(top / "disk.dd", parts))


IMAGES: dict[str, Callable[[Path], Layout]] = {
    "raw": raw,
    "raw_gz": raw_gz,
    "split_raw": split_raw,
    "lower_e01": lower_e01,
    "logical_drive": logical_drive,
    "gpt_disk": gpt_disk,
    "mbr_disk": mbr_disk,
    "vmdk": in_container("vmdk", "vmdk"),
    "vhd": in_container("vpc", "vhd"),
    "vhdx": in_container("vhdx", "vhdx"),
    "qcow2": in_container("qcow2", "qcow2"),
    "vdi": in_container("vdi", "vdi"),
}
COLLECTIONS: dict[str, Callable[[Path], Layout]] = {
    "kape_above": kape_above,
    "kape_without_journal": kape_without_journal,
    "kape_zip": kape_zip,
    "kape_zip_cp932": kape_zip_cp932,
    "kape_zip_password": kape_zip_password,
    "kape_vhdx": kape_vhdx,
    "velociraptor_folder": velociraptor_folder,
    "velociraptor_ntfs": velociraptor_ntfs,
    "velociraptor_file": velociraptor_file,
    "velociraptor_vss_only": velociraptor_vss_only,
    "velociraptor_in_a_zip": velociraptor_in_a_zip,
    "velociraptor_encrypted": velociraptor_encrypted,
    "cylr_zip": cylr_zip,
    "cylr_tar_gz": cylr_tar_gz,
    "acquire_tar": acquire_tar,
    "acquire_rootfs": acquire_rootfs,
    "tar_of_windows": tar_of_windows,
    "tar_xz": tar_xz,
    "uac": uac,
    "plain_folder": plain_folder,
    "lower_case": lower_case,
}
