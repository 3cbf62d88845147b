"""Windows Sandbox configurations: `.wsb` files and the same XML inside command lines.

Source of the format: Microsoft's "Windows Sandbox configuration" page for elements, values and defaults; elements and
values are compared without case because Microsoft's own examples disagree (`VGpu`, `vGPU`, `vGpu`). What absence means
is the heart of it: a file that says nothing has the network on and its mapped folders writable.

Beyond the documentation, from files people use: `True`/`False`/`Enabled` where Enable/Disable belong, folders outside
`<MappedFolders>`, `NetworkingEnabled` (a public detection rule matches it in command lines; a serialised form, by
inference). They are accepted and named in `notes`. Elements nobody documents are kept in `unknown`.
"""

from __future__ import annotations

from dataclasses import dataclass

from forensics.formats import FormatError
from forensics.formats.wsbtext import find_inline, plain_text
from forensics.formats.xmlguard import Document, Node, parse
from forensics.model import MappedFolder, SandboxSettings

LOST = "absent from what is left of the file: unknown, not the default"
DESKTOP = "C:\\Users\\WDAGUtilityAccount\\Desktop\\"
_FOLDER_LIMIT = 1000
_UNKNOWN_LIMIT = 500
_ON, _OFF = ("enable", "enabled", "true", "1"), ("disable", "disabled", "false", "0")
_WRITTEN = ("enable", "disable", "default")
# Element -> what its absence and the value Default mean; None: it depends on the version of Windows.
_SWITCHES: dict[str, bool | None] = {
    "vGPU": None,
    "Networking": True,
    "AudioInput": True,
    "VideoInput": False,
    "ProtectedClient": False,
    "PrinterRedirection": False,
    "ClipboardRedirection": True,
}
_SYNONYMS = {"networkingenabled": "Networking"}
_CANONICAL = {name.casefold(): name for name in _SWITCHES} | _SYNONYMS
_FOLDER_PARTS = ("hostfolder", "sandboxfolder", "readonly")
_OTHER = ("memoryinmb", "logoncommand", "mappedfolders", "mappedfolder")


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration with the documented defaults applied.

    None: unknown (the default depends on the version, the value is not understood, or the file is cut and the element
    may have been in the lost part). `absent` names the elements that were not there (`MappedFolder[2]/ReadOnly` for
    the second folder), `unknown` maps undocumented or not understood elements to their text. `malformed`: not
    well-formed XML, read tolerantly; `cut`: its end is missing; `dtd`: it had a document type (never resolved).
    """

    networking: bool | None
    vgpu: bool | None
    memory_mb: int | None
    logon_command: str | None
    clipboard: bool | None
    audio_input: bool | None
    video_input: bool | None
    protected_client: bool | None
    printer: bool | None
    mapped_folders: tuple[MappedFolder, ...]
    unknown: dict[str, str]
    absent: tuple[str, ...]
    malformed: bool
    cut: bool
    dtd: bool
    encoding: str
    xml: str
    notes: tuple[str, ...]

    def settings(self, source: str) -> SandboxSettings:
        """The part that the session document states; `source` says where it was found."""
        return SandboxSettings(
            source=source,
            networking=self.networking,
            vgpu=self.vgpu,
            memory_mb=self.memory_mb,
            logon_command=self.logon_command,
            clipboard=self.clipboard,
            protected_client=self.protected_client,
            mapped_folders=self.mapped_folders,
            unknown=dict(self.unknown),
        )


class _Reader:
    """Collects settings from the elements of one configuration."""

    def __init__(self, elements: list[Node], *, cut: bool) -> None:
        self.cut = cut
        self.notes: list[str] = []
        self.unknown: dict[str, str] = {}
        self.absent: list[str] = []
        self._count: dict[str, int] = {}
        self._found: dict[str, list[Node]] = {}
        for node in elements:
            name = node.name.casefold()
            if name in _CANONICAL or name in _OTHER:
                self._found.setdefault(_CANONICAL.get(name, name).casefold(), []).append(node)
                if name in _SYNONYMS:
                    self.notes.append(f"{node.name} read as {_SYNONYMS[name]} (inferred synonym)")
            else:
                self._keep(node.name, node)

    def _remember(self, name: str, text: str) -> None:
        self._count[name] = count = self._count.get(name, 0) + 1
        if len(self.unknown) < _UNKNOWN_LIMIT:
            self.unknown[name if count == 1 else f"{name}[{count}]"] = text
        else:
            self.notes.append(f"more than {_UNKNOWN_LIMIT} elements that are not understood: the rest is not shown")

    def _keep(self, path: str, node: Node) -> None:
        """An element that is not understood, with all below it, verbatim."""
        if node.text or not node.children:
            self._remember(path, node.text)
        for name, value in node.attributes.items():
            self._remember(f"{path}@{name}", value)
        for child in node.children:
            self._keep(f"{path}/{child.name}", child)

    def _missing(self, name: str) -> None:
        self.absent.append(name)
        if self.cut:
            self.notes.append(f"{name} {LOST}")

    def _flag(self, text: str, name: str) -> bool | None:
        value = text.casefold()
        if value == "default":
            return _SWITCHES.get(name)
        if value not in _ON and value not in _OFF:
            self.notes.append(f"{name} has a value that is not understood")
            self._remember(name, text)
            return None
        if value not in _WRITTEN and name in _SWITCHES:
            self.notes.append(f"{name}: {text!r} is not a documented value, read as {value in _ON}")
        return value in _ON

    def switch(self, name: str) -> bool | None:
        """An Enable/Disable/Default element; None when unknown, when values contradict each other, or cut away."""
        found = self._found.get(name.casefold(), [])
        if not found:
            self._missing(name)
            return None if self.cut else _SWITCHES[name]
        values = {self._flag(node.text, name) for node in found}
        if len(found) > 1:
            self.notes.append(f"{name} stands {len(found)} times")
            for node in found:
                self._remember(name, node.text)
        return values.pop() if len(values) == 1 else None

    def memory(self) -> int | None:
        """MemoryInMB as a number of MiB."""
        found = self._found.get("memoryinmb", [])
        if not found:
            self._missing("MemoryInMB")
        values = {node.text for node in found}
        text = values.pop() if len(values) == 1 else ""
        if text.isascii() and text.isdigit() and 0 < int(text[:12]) < 1 << 31:
            return int(text[:12])
        for node in found:
            self._remember("MemoryInMB", node.text)
            self.notes.append("MemoryInMB is not one number")
        return None

    def command(self) -> str | None:
        """The first logon command that is not empty; the product documents one, further ones are kept as unknown."""
        nodes = self._found.get("logoncommand", [])
        commands = [child for node in nodes for child in node.all("Command")]
        texts = [child.text for child in commands if child.text]
        texts += [node.text for node in nodes if node.text and not node.children]
        if not nodes:
            self._missing("LogonCommand")
        elif not texts:
            self.notes.append("LogonCommand without a command")
        for extra in texts[1:]:
            self._remember("LogonCommand/Command", extra)
            self.notes.append("more than one logon command: the first is shown")
        for node in nodes:
            for child in node.children:
                if child.name.casefold() != "command":
                    self._keep(f"LogonCommand/{child.name}", child)
        return texts[0] if texts else None

    def folders(self) -> tuple[MappedFolder, ...]:
        """All mapped folders, wherever they stand."""
        wrapped = [child for node in self._found.get("mappedfolders", []) for child in node.children]
        bare = self._found.get("mappedfolder", [])
        if not wrapped and not bare:
            self._missing("MappedFolders")
        if bare:
            self.notes.append("MappedFolder outside MappedFolders (the product probably ignores it)")
        for child in wrapped:
            if child.name.casefold() != "mappedfolder":
                self._keep(f"MappedFolders/{child.name}", child)
        nodes = [child for child in wrapped if child.name.casefold() == "mappedfolder"] + bare
        if len(nodes) > _FOLDER_LIMIT:
            self.notes.append(f"{len(nodes)} mapped folders: the first {_FOLDER_LIMIT} are shown")
        read = (self._folder(node, number) for number, node in enumerate(nodes[:_FOLDER_LIMIT], 1))
        return tuple(folder for folder in read if folder)

    def _folder(self, node: Node, number: int) -> MappedFolder | None:
        place = f"MappedFolder[{number}]"
        parts: dict[str, Node] = {}
        for child in _flattened(node):
            name = child.name.casefold()
            if name in _FOLDER_PARTS and name not in parts:
                parts[name] = child
            else:
                self._keep(f"{place}/{child.name}", child)
        host, guest, only = (parts[name].text if name in parts else "" for name in _FOLDER_PARTS)
        if not host:
            self.notes.append(f"{place} has no HostFolder")
            return None
        self.absent += [
            f"{place}/{label}" for label, text in (("SandboxFolder", guest), ("ReadOnly", only)) if not text
        ]
        lost = self.cut and not node.closed
        if lost and not (guest and only):
            self.notes.append(f"{place} is cut: what is absent may have been lost")
        # A value that is not understood is not `true`: writable is what the product does unless told otherwise.
        read_only = bool(only) and self._flag(only, f"{place}/ReadOnly") is True
        return MappedFolder(host, guest or (None if lost else default_folder(host)), read_only)


def _flattened(node: Node) -> list[Node]:
    """The parts of a mapped folder, with those that an unclosed part took in moved out of it."""
    found: list[Node] = []
    for child in node.children:
        found.append(child)
        if child.name.casefold() in _FOLDER_PARTS:
            found += _flattened(child)
            child.children = []
    return found


def default_folder(host: str) -> str | None:
    """Where a host folder appears when nothing is said: on the sandbox user's desktop; None for a drive's root."""
    leaf = host.replace("/", "\\").rstrip("\\").rpartition("\\")[2]
    return DESKTOP + leaf if leaf and not leaf.endswith(":") else None


def _elements(document: Document) -> tuple[list[Node], Node | None]:
    """The elements to interpret, and the Configuration they stand in (None when it is lost)."""
    nodes = document.root.walk()
    root = next((node for node in nodes if node.name.casefold() == "configuration"), None)
    if document.well_formed and root is not None:
        return root.children, root
    if root is None and not any(node.name.casefold() in _CANONICAL | dict.fromkeys(_OTHER) for node in nodes):
        raise FormatError("no <Configuration> element")
    # Unclosed elements swallow their neighbours, so known names count wherever they stand.
    return list(_scattered(root or document.root)), root


def _scattered(node: Node) -> list[Node]:
    found: list[Node] = []
    for child in node.children:
        name = child.name.casefold()
        if name == "configuration":
            found += _scattered(child)
            continue
        found.append(child)
        if name in _CANONICAL or name == "memoryinmb":
            found += _scattered(child)
            child.children = []
        else:
            found += _swallowed(child)
    return found


def _swallowed(node: Node) -> list[Node]:
    """Known elements that an unclosed element (`<Command>`, `<HostFolder>`, ...) took in; they are moved out."""
    out: list[Node] = []
    kept: list[Node] = []
    for child in node.children:
        name = child.name.casefold()
        if name in _CANONICAL or name in ("memoryinmb", "logoncommand", "mappedfolders"):
            out += [child, *_scattered(child)] if name in _CANONICAL else [child, *_swallowed(child)]
        elif name == "mappedfolder" and node.name.casefold() != "mappedfolders":
            out += [child, *_swallowed(child)]
        else:
            out += _swallowed(child)
            kept.append(child)
    node.children = kept
    return out


def _root_remarks(reader: _Reader, root: Node | None) -> None:
    if root is None:
        return
    for name, value in root.attributes.items():
        reader.unknown[f"Configuration@{name}"] = value
    if root.namespace:
        reader.unknown["Configuration@xmlns"] = root.namespace
    if root.text:
        reader.unknown["Configuration/#text"] = root.text


def read(data: bytes | str) -> Config:
    """Read a configuration out of a file's bytes, or out of text (which may be escaped or on one line).

    Only the first MiB is read. Raises FormatError when no element of a configuration is in it; everything less is
    read as far as it goes, with `malformed`, `cut`, `dtd` and `notes` saying how.
    """
    text, encoding, notes = plain_text(data)
    if not text.strip().strip("\x00"):
        raise FormatError("empty" if not text else "nothing but blanks or zeros")
    document = parse(text)
    elements, root = _elements(document)
    cut = root is None or not (document.well_formed or root.closed)
    reader = _Reader(elements, cut=cut)
    _root_remarks(reader, root)
    switches = {name: reader.switch(name) for name in _SWITCHES}
    return Config(
        networking=switches["Networking"],
        vgpu=switches["vGPU"],
        memory_mb=reader.memory(),
        logon_command=reader.command(),
        clipboard=switches["ClipboardRedirection"],
        audio_input=switches["AudioInput"],
        video_input=switches["VideoInput"],
        protected_client=switches["ProtectedClient"],
        printer=switches["PrinterRedirection"],
        mapped_folders=reader.folders(),
        unknown=reader.unknown,
        absent=tuple(reader.absent),
        malformed=not document.well_formed,
        cut=cut,
        dtd=document.dtd,
        encoding=encoding,
        xml=text,
        notes=tuple(dict.fromkeys([*notes, *document.notes, *reader.notes])),
    )


def read_inline(command_line: str) -> Config | None:
    """The configuration that `wsb start --config "<Configuration>..."` carries; None when there is none to read."""
    found = find_inline(command_line)
    if found is None:
        return None
    try:
        return read(found)
    except FormatError:
        return None
