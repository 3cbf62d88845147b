"""Is the evidence still what was acquired: the whole media, or every file whose hash the collector noted.

The work is a worker's, as all touching of evidence is; it is given as long as the evidence is large.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from forensics import jobs, leftovers
from forensics.evidence.base import DAMAGE, EvidenceError, Refusal, guest_of
from forensics.evidence.containers import kind_of
from forensics.model import to_plain
from forensics.pipeline import Options, Progress
from forensics.runinfo import bulk
from forensics.workers import Dead, Workers

_BLOCK = 4 * 1024 * 1024
_MOST_FAULTS = 200
# What is said of the evidence as a whole and means that it is not what was collected.
_LOST = frozenset({"truncated", "bad_record", "unreadable", "listed_missing"})
_CUT = frozenset({"truncated", "truncated_media"})  # of what media lie in: what their volumes lack is another question


@dataclass(slots=True)
class Verification:
    """What was found. `compared` counts hashes that could be held against a stored one; `faults` are sentences.

    `damaged`: chunks of the media failed their own check, so that its hash is of what could be read of them. `unread`
    are files that this user may not read: nothing is known of them, where a fault is a file that is wrong.
    """

    evidence: str
    kind: str
    size: int = 0
    compared: int = 0
    stored: dict[str, str] = field(default_factory=dict)
    computed: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    damaged: bool = False

    def plain(self) -> Any:  # noqa: ANN401  # JSON material
        """As JSON material."""
        return to_plain(self)


def verify(path: Path, options: Options, progress: Progress) -> Verification:
    """Check one piece of evidence; raises EvidenceError when it cannot be opened.

    Of a host that is an image in a folder, the media is hashed, as if the image had been named itself.
    """
    path, options = _chosen(path, options)
    if not path.exists():
        raise EvidenceError(f"{path} does not exist")
    progress.stage(f"verifying {path.name}")
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix()) as scratch:
        opening = replace(options.opening, scratch=scratch)
        limits = replace(options.limits, jobs=1, seconds=7 * 86_400.0, most_seconds=7 * 86_400.0)
        path = path.resolve() if path.is_symlink() else path
        check = check_media if path.is_file() and kind_of(path) == "image" else check_files
        with Workers(limits, _start, (str(path), path.name, opening, check is check_files), bulk(path)) as workers:
            found = workers.one(check, str(path))
    if isinstance(found, Dead):
        raise EvidenceError(f"{path} could not be verified: {found.detail}", integrity=True)
    if isinstance(found, EvidenceError):
        raise found
    return found


def _chosen(path: Path, options: Options) -> tuple[Path, Options]:
    """The file that the chosen host is, where it is one that lies in the folder (links are not followed to)."""
    host = options.opening.host
    inside = path / host if host and path.is_dir() else path
    if inside is path or not inside.is_file() or not inside.resolve().is_relative_to(path.resolve()):
        return path, options
    return inside, replace(options, opening=replace(options.opening, host=None))


def _start(path: str, name: str, opening: Any, opened: bool) -> None:  # noqa: ANN401  # an initializer's arguments
    """Media are hashed as they are: no Windows needs to be in them."""
    if opened:
        jobs.start_worker(path, name, opening)


def check_media(place: str) -> Verification | EvidenceError:
    """Hash the media of an image and compare with the stored hashes."""
    from forensics.evidence import ad1
    from forensics.evidence.ewf_media import EwfMedia
    from forensics.evidence.image import media_of

    path = Path(place)
    try:
        media = media_of(path)
        found = Verification(path.name, getattr(media, "__type__", "raw"))
        if isinstance(media, EwfMedia):
            _ewf(media, found)
        elif isinstance(media, ad1.Image):
            _logical(media, found)
        else:
            _plain(media, found)
    except EvidenceError as error:
        return error
    except DAMAGE as error:
        return EvidenceError(f"{path} cannot be read to its end: {error}", integrity=True)
    return found


def _ewf(media: Any, found: Verification) -> None:  # noqa: ANN401  # EwfMedia
    found.size = media.size
    found.stored = media.stored_hashes
    computed = media.digest()
    found.computed = {"md5": computed.md5, "sha1": computed.sha1}
    found.compared = len(found.stored) + 1  # the chunks' own checksums are one comparison
    for name, text in found.stored.items():
        if found.computed[name] != text:
            found.faults.append(f"the {name.upper()} of the media is {found.computed[name]}, stored is {text}")
    if media.stored.conflict:
        found.faults.append(f"the image stores a second MD5, {media.stored.conflict}, beside {media.stored.md5}")
    found.damaged = bool(media.damage)
    found.faults += [*media.faults, *media.damage.ranges(media.chunk_size)][:_MOST_FAULTS]
    _length(media, found)
    if not found.stored:
        found.notes.append("the image stores no hash of the media; only the checksums of its chunks were compared")


def _length(media: Any, found: Verification) -> None:  # noqa: ANN401
    """Whether the media goes as far as its own partition table and file systems say."""
    from forensics.evidence.sizes import completed

    found.faults += [why for why in completed(media).faults if why not in found.faults]


def _plain(media: Any, found: Verification) -> None:  # noqa: ANN401  # Disk
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha1", "sha256")}
    media.seek(0)
    while block := media.read(_BLOCK):
        found.size += len(block)
        for digest in digests.values():
            digest.update(block)
    found.computed = {name: digest.hexdigest() for name, digest in digests.items()}
    found.faults += [*media.check(), *media.touched()]
    _length(media, found)
    found.notes.append("this kind of image stores no hash: compare these with the acquisition's own")


def _logical(image: Any, found: Verification) -> None:  # noqa: ANN401  # ad1.Image
    """Hold every file of an AD1 against the hashes that are stored beside it."""
    found.kind, files = "ad1", 0
    refusals: list[Refusal] = []
    for entry in image.entries(refusals):
        if entry.folder or not entry.size:
            continue
        files += 1
        found.size += entry.size
        _stored("/".join(entry.parts), image.noted(entry).hashes, partial(image.open, entry), found)
    found.faults += [f"{refusal.path or 'the image'}: {refusal.why}" for refusal in refusals[:_MOST_FAULTS]]
    found.notes.append(f"{files} files with content, {found.compared} stored hashes")


def check_files(place: str) -> Verification | EvidenceError:
    """Hash every file of a collection whose hash the collector noted."""
    from forensics.evidence.ewf_media import EwfMedia

    try:
        evidence = jobs.opened()
    except EvidenceError as error:
        return error
    found = Verification(Path(place).name, evidence.kind)
    lost = _CUT if evidence.media else _LOST
    said = [
        f"{item.path or found.evidence}: {item.why}"
        for item in evidence.refusals
        if item.fault in lost and not item.folder
    ]
    found.faults += said[:_MOST_FAULTS]
    if media := [item for item in evidence.media if isinstance(item, EwfMedia)]:
        _ewf(media[0], found)
        return found
    files = with_hash = 0
    for item in evidence.find(["**"]):
        if guest_of(item.path):
            continue  # inside a disk that is a file of the collection itself
        noted = evidence.noted(item.path).hashes if evidence.is_whole(item.path) else {}
        files += 1
        found.size += item.size
        with_hash += bool(noted)
        if noted:
            _file(evidence, item.path, noted, found)
    closed = [f"could not read {refusal.path}: {refusal.why}" for refusal in evidence.refusals if refusal.folder]
    found.unread += closed[: _MOST_FAULTS - len(found.unread)]
    found.notes.append(f"{files} files; the collector noted a hash of {with_hash} of them, which was compared")
    if evidence.unlisted is not None:
        found.notes.append(f"{evidence.unlisted} files that no list of the collector names")
    return found


def _file(evidence: Any, path: str, noted: dict[str, str], found: Verification) -> None:  # noqa: ANN401  # OpenedEvidence
    _stored(path, noted, lambda: evidence.open(path), found)


def _stored(path: str, noted: dict[str, str], open_it: Callable[[], BinaryIO], found: Verification) -> None:
    """Hash one file and compare; a file without a noted hash is read all the same, damage shows in that, too."""
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in noted}
    try:
        with open_it() as handle:
            while block := handle.read(_BLOCK):
                for digest in digests.values():
                    digest.update(block)
    except PermissionError as error:
        if len(found.unread) < _MOST_FAULTS:
            found.unread.append(f"could not read {path}: {error.strerror or error}")
        return
    except DAMAGE as error:
        if len(found.faults) < _MOST_FAULTS:
            found.faults.append(f"{path} cannot be read: {error}")
        return
    for name, text in noted.items():
        found.compared += 1
        if (computed := digests[name].hexdigest()) != text and len(found.faults) < _MOST_FAULTS:
            found.faults.append(f"{path}: its {name.upper()} is {computed}, the collector noted {text}")
