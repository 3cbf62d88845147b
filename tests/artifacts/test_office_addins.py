from __future__ import annotations

import io
import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.office_addins import ARTIFACT, FILES
from forensics.formats.hive import Hive
from forensics.model import Fact
from testdata.writers.jumplists import compound
from tests.artifacts.autostarts import entries, scores
from tests.artifacts.file_inputs import MODIFIED, survives_truncation
from tests.artifacts.file_inputs import run as run_file
from tests.artifacts.registry_inputs import NTUSER, merged, nested, run
from tests.formats.crafted_hives import Tree, utf16

MADE = {MODIFIED: datetime(2024, 12, 2, 3, 4, 5, tzinfo=UTC)}
ROAMING = "C:/Users/hanako/AppData/Roaming/Microsoft"
CLASS = "{00000001-AAAA-BBBB-CCCC-000000000000}"


def number(value: int) -> bytes:
    return value.to_bytes(4, "little")


def addin(name: str, behaviour: int, *values: tuple[str, int, bytes]) -> Tree:
    return nested(f"Microsoft\\Office\\Excel\\Addins\\{name}", {"": [("LoadBehavior", 4, number(behaviour)), *values]})


USER: Tree = merged(
    {"Environment": {}},
    nested("Software", merged(
        addin("Evil.Connect", 3),
        nested("Classes\\Evil.Connect\\CLSID", {"": [("", 1, utf16(CLASS))]}),
        nested(f"Classes\\CLSID\\{CLASS}\\InprocServer32", {"": [("", 1, utf16("C:\\ProgramData\\evil.dll"))]}),
        addin("Off", 2, ("Manifest", 1, utf16("file:///C:/Program Files/Vendor/x.vsto|vstolocal"))),
        nested("Microsoft\\Office test\\Special\\Perf", {"": [("", 1, utf16("C:\\Users\\Public\\perf.dll"))]}),
        nested("Microsoft\\Office\\16.0\\Excel\\Options", {"": [
            ("OPEN", 1, utf16('/R "C:\\Users\\hanako\\AppData\\Roaming\\x.xll"')), ("Options", 4, number(1)),
            ("OPEN1", 1, utf16('"C:\\Program Files\\Vendor\\y.xlam"')),
        ]}),
        nested("Microsoft\\Office\\16.0\\Outlook\\WebView\\Inbox", {"": [("URL", 1, utf16("http://192.0.2.7/a.html"))]}),
        nested("Microsoft\\Office\\16.0\\Outlook\\Today", {"": [("UserDefinedUrl", 1, utf16("http://192.0.2.7/b.html"))]}),
        nested("Microsoft\\Office\\16.0\\Outlook", {"": [("LoadMacroProviderOnBoot", 4, number(1))]}),
    )),
)  # fmt: skip


def package(*names: str, **parts: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


def one(path: str, data: bytes) -> Fact:
    (fact,), problems = run_file(FILES, f"{ROAMING}/{path}", data, MADE)
    assert problems == []
    return fact


def test_places_of_a_user() -> None:
    facts, problems = run(ARTIFACT, USER, NTUSER)
    assert problems == []
    told = {str(fact.fields["entry_name"]): fact.fields for fact in facts}
    assert set(told) == {
        "Evil.Connect",
        "Off",
        "Office test",
        "OPEN",
        "OPEN1",
        "Inbox home page",
        "Today home page",
        "LoadMacroProviderOnBoot",
    }
    assert told["Evil.Connect"]["command_line"] == "C:\\ProgramData\\evil.dll"
    assert (told["Evil.Connect"]["enabled"], told["Off"]["enabled"]) == (True, False)
    assert told["Inbox home page"]["command_line"] == "http://192.0.2.7/a.html"
    found = scores(facts)
    assert {name for name, score in found.items() if score == 0} == {"Off", "OPEN1"}
    assert all(found[name] > 40 for name in set(found) - {"Off", "OPEN1"}), found
    assert "T1137" in entries(facts)["Office test"].attack


def test_templates_with_and_without_macros() -> None:
    stock = one("Templates/Normal.dotm", package("[Content_Types].xml", "word/document.xml"))
    planted = one("Templates/Normal.dotm", package("word/document.xml", "word/vbaProject.bin"))
    assert (stock.context, planted.context) == (True, False)
    assert scores([stock]) == {"Normal.dotm": 0}
    assert scores([planted])["Normal.dotm"] > 30


def packed(text: str) -> bytes:
    """A module's stream: something compiled, then the source as literals, compressed as the format has it."""
    raw = text.encode("latin-1")
    body = b"".join(b"\0" + raw[at : at + 8] for at in range(0, len(raw), 8))
    return b"compiled" + b"\x01" + struct.pack("<H", 0xB000 | (len(body) - 1)) + body


def project(text: str) -> bytes:
    return compound({"ThisDocument": packed(f'Attribute VB_Name = "ThisDocument"\r\n{text}'), "_VBA_PROJECT": b"x"})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Sub AutoExec()\r\nEnd Sub\r\n  Private Sub Document_Open()\r\n", "AutoExec, Document_Open"),
        ("Public Sub Application_Startup()", "Application_Startup"),
        ("Sub Tidy()\r\n' Sub AutoExec()\r\n", ""),
        ("Sub AutoExecute()", ""),
    ],
)
def test_macros_that_run_by_themselves(text: str, names: str) -> None:
    in_package = one("Templates/Normal.dotm", package("word/document.xml", **{"word/vbaProject.bin": project(text)}))
    old = one("Templates/Normal.dot", project(text))
    reason = "holds a VBA project" + (f"; runs by itself: {names}" if names else "")
    assert {in_package.fields["reason"], old.fields["reason"]} == {reason}
    found = scores([in_package, old])
    assert all((score > 40) is bool(names) for score in found.values()), found


TYPES = '<Types><Override ContentType="application/vnd.ms-office.vbaProject" PartName="/word/odd.bin"/></Types>'
RELATED = (
    '<Relationships><Relationship Id="rId1" Target="odd.bin" '
    'Type="http://schemas.microsoft.com/office/2006/relationships/vbaProject"/></Relationships>'
)


@pytest.mark.parametrize(
    "parts",
    [
        {"[Content_Types].xml": TYPES.encode(), "word/odd.bin": b"x"},
        {"word/_rels/document.xml.rels": RELATED.encode(), "word/odd.bin": b"x"},
        {"word/_rels/document.xml.rels": RELATED.replace("odd.bin", "/word/odd.bin").encode(), "word/ODD.bin": b"x"},
        {"word/odd.bin": project("Sub Tidy()" + " " * 600)},
    ],
)
def test_a_project_under_another_name(parts: dict[str, bytes]) -> None:
    fact = one("Templates/Normal.dotm", package("word/document.xml", **parts))
    assert str(fact.fields["reason"]).startswith("holds a VBA project")
    assert "its project is called word/odd.bin" in str(fact.fields["reason"]).casefold()
    assert not fact.context
    assert scores([fact])["Normal.dotm"] > 30


def test_an_embedded_document_is_no_project() -> None:
    held = {"word/embeddings/a.doc": project("Sub Tidy()"), "word/media/a.bin": b"x" * 600}
    fact = one("Templates/Normal.dotm", package("word/document.xml", **held))
    assert fact.context


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("http://192.0.2.7/a.dotm", True), ("file://192.0.2.7/share/a.dotm", True), ("\\\\192.0.2.7\\s\\a.dotm", True),
        ("file:///C:\\x\\Normal.dotm", False), ("a.dotm", False),
    ],
)  # fmt: skip
def test_a_template_from_elsewhere(target: str, told: bool) -> None:
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate"
    rels = f'<Relationships><Relationship Target="{target}" Id="rId1" Type="{kind}" TargetMode="External"/>'
    fact = one("Templates/Normal.dotm", package(**{"word/_rels/settings.xml.rels": rels.encode()}))
    assert (f"; attaches a template from {target}" in str(fact.fields["reason"])) is told
    assert fact.context is not told
    assert (scores([fact])["Normal.dotm"] > 40) is told


def test_files_in_startup_folders() -> None:
    old = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600) + "_VBA_PROJECT".encode("utf-16-le") + bytes(20)
    facts = [
        one("Outlook/VbaProject.OTM", old),
        one("Word/STARTUP/a.wll", b"MZ" + bytes(64)),
        one("Excel/XLSTART/PERSONAL.XLSB", package("xl/workbook.bin")),
    ]
    found = scores(facts)
    assert found["VbaProject.OTM"] > 30
    assert found["a.wll"] > 40
    assert found["PERSONAL.XLSB"] <= 20
    assert run_file(FILES, f"{ROAMING}/Word/STARTUP/~$x.dotm", b"x", MADE) == ([], [])


def test_truncation() -> None:
    survives_truncation(FILES, f"{ROAMING}/Templates/Normal.dotm", package("word/vbaProject.bin"), step=3)


@pytest.mark.samples
@pytest.mark.parametrize("name", ["NTUSER_with_winscp.DAT", "NTUSER-WSL.DAT"])
def test_real_users_are_quiet(samples: Path, name: str) -> None:
    facts, problems = run(ARTIFACT, Hive.open((samples / "hives" / name).read_bytes()), "C:/Users/tony/NTUSER.DAT")
    assert problems == []
    assert max(scores(facts).values(), default=0) <= 20, scores(facts)
