from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.formats import FormatError
from forensics.formats.wsb import Config, default_folder, read, read_inline
from forensics.formats.wsbtext import find_inline
from forensics.model import MappedFolder

PUBLISHED = r"""<Configuration>
<Networking>Enable</Networking>
<MappedFolders>
<MappedFolder>
<HostFolder>C:\Users</HostFolder>
<SandboxFolder>C:\Users\WDAGUtilityAccount\Host</SandboxFolder>
<ReadOnly>false</ReadOnly>
</MappedFolder>
</MappedFolders>
<LogonCommand>
<Command>C:\Users\WDAGUtilityAccount\Host\Public\AppData\msiexec.bat</Command>
</LogonCommand>
<MemoryInMB>1024</MemoryInMB>
</Configuration>
"""
ALL = ("vGPU", "Networking", "AudioInput", "VideoInput", "ProtectedClient", "PrinterRedirection",
       "ClipboardRedirection", "MemoryInMB", "LogonCommand", "MappedFolders")  # fmt: skip


def inner(text: str) -> Config:
    return read(f"<Configuration>{text}</Configuration>")


class TestWhatItSays:
    def test_the_published_template(self) -> None:
        config = read(PUBLISHED.encode())
        assert config.networking is True
        assert config.vgpu is None
        assert config.memory_mb == 1024
        assert config.logon_command == r"C:\Users\WDAGUtilityAccount\Host\Public\AppData\msiexec.bat"
        assert config.mapped_folders == (MappedFolder("C:\\Users", "C:\\Users\\WDAGUtilityAccount\\Host", False),)
        assert config.absent == ("vGPU", "AudioInput", "VideoInput", "ProtectedClient", "PrinterRedirection",
                                 "ClipboardRedirection")  # fmt: skip
        assert (config.unknown, config.malformed, config.cut, config.dtd, config.notes) == ({}, False, False, False, ())

    @pytest.mark.parametrize("text", ["<Configuration/>", "<configuration></configuration>", "<CONFIGURATION />"])
    def test_silence_means_the_documented_defaults(self, text: str) -> None:
        config = read(text)
        assert (config.networking, config.audio_input, config.clipboard) == (True, True, True)
        assert (config.video_input, config.protected_client, config.printer) == (False, False, False)
        assert (config.vgpu, config.memory_mb, config.logon_command, config.mapped_folders) == (None, None, None, ())
        assert config.absent == ALL

    @pytest.mark.parametrize(("value", "expected"), [("Enable", True), ("disable", False), ("DEFAULT", True),
                                                     ("True", True), ("false", False), ("Enabled", True)])  # fmt: skip
    def test_values(self, value: str, expected: bool) -> None:
        config = inner(f"<networking> {value} </networking>")
        assert config.networking is expected
        assert bool(config.notes) == (value.casefold() not in ("enable", "disable", "default"))

    def test_a_default_that_depends_on_the_version_is_unknown(self) -> None:
        assert inner("<VGpu>Default</VGpu>").vgpu is None
        assert inner("<vGpu>Disable</vGpu>").vgpu is False

    def test_a_value_that_is_not_understood_is_unknown_and_kept(self) -> None:
        config = inner("<Networking>__NETWORKING__</Networking>")
        assert config.networking is None
        assert config.unknown == {"Networking": "__NETWORKING__"}

    def test_the_serialised_synonym(self) -> None:
        config = inner("<NetworkingEnabled>false</NetworkingEnabled>")
        assert config.networking is False
        assert "NetworkingEnabled read as Networking (inferred synonym)" in config.notes

    def test_contradicting_duplicates_are_unknown(self) -> None:
        config = inner("<Networking>Enable</Networking><Networking>Disable</Networking>")
        assert config.networking is None
        assert config.unknown == {"Networking": "Enable", "Networking[2]": "Disable"}
        assert inner("<Networking>Disable</Networking><Networking>Disable</Networking>").networking is False

    @pytest.mark.parametrize("text", ["", "-1", "0", "1e3", "4 GB", "9" * 400, "١٢"])
    def test_memory_that_is_no_number(self, text: str) -> None:
        config = inner(f"<MemoryInMB>{text}</MemoryInMB>")
        assert config.memory_mb is None
        assert config.unknown == {"MemoryInMB": text}

    def test_unknown_elements_are_kept_whole(self) -> None:
        config = inner('<Metadata a="1"><Name>x</Name><Name>y</Name></Metadata><RdpTransport>Tcp</RdpTransport>')
        assert config.unknown == {
            "Metadata@a": "1", "Metadata/Name": "x", "Metadata/Name[2]": "y", "RdpTransport": "Tcp",
        }  # fmt: skip


class TestMappedFolders:
    @pytest.mark.parametrize(
        ("host", "guest"),
        [("C:\\a\\b", "b"), ("C:\\a\\b\\", "b"), ("C:/a/b", "b"), ("C:\\", None), ("D:", None), ("\\\\srv\\x", "x")],
    )
    def test_the_default_place(self, host: str, guest: str | None) -> None:
        assert default_folder(host) == (guest and f"C:\\Users\\WDAGUtilityAccount\\Desktop\\{guest}")

    def test_silence_is_writable(self) -> None:
        config = inner("<MappedFolders><MappedFolder><HostFolder>C:\\x</HostFolder></MappedFolder></MappedFolders>")
        assert config.mapped_folders == (MappedFolder("C:\\x", "C:\\Users\\WDAGUtilityAccount\\Desktop\\x", False),)
        assert config.absent[-2:] == ("MappedFolder[1]/SandboxFolder", "MappedFolder[1]/ReadOnly")

    def test_a_value_that_is_not_true_is_writable(self) -> None:
        config = inner(
            "<MappedFolders><MappedFolder><HostFolder>C:\\x</HostFolder><ReadOnly>ja</ReadOnly></MappedFolder>"
            "<MappedFolder><HostFolder>C:\\y</HostFolder><ReadOnly>TRUE</ReadOnly></MappedFolder></MappedFolders>"
        )
        assert [folder.read_only for folder in config.mapped_folders] == [False, True]
        assert config.unknown == {"MappedFolder[1]/ReadOnly": "ja"}

    def test_without_the_wrapper(self) -> None:
        config = inner("<MappedFolder><HostFolder>C:\\x</HostFolder></MappedFolder>")
        assert len(config.mapped_folders) == 1
        assert any("outside MappedFolders" in note for note in config.notes)


class TestDamage:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
    def test_encodings(self, encoding: str) -> None:
        text = inner("<LogonCommand><Command>田中.bat</Command></LogonCommand>").xml
        data = text.encode(encoding)
        data = b"\xff\xfe" + data if encoding == "utf-16-le" else data
        assert read(data).logon_command == "田中.bat"

    def test_a_code_page_that_the_declaration_names(self) -> None:
        text = '<?xml version="1.0" encoding="Shift_JIS"?><Configuration><LogonCommand><Command>表.bat</Command>'
        config = read((text + "</LogonCommand></Configuration>").encode("cp932"))
        assert (config.logon_command, config.encoding) == ("表.bat", "cp932")

    def test_a_code_page_that_nothing_names(self) -> None:
        """Japanese editors that save as ANSI: the folder's name is readable, and how it was read is said."""
        text = inner(
            "<MappedFolders><MappedFolder><HostFolder>C:\\ソフト\\表</HostFolder></MappedFolder></MappedFolders>"
        )
        config = read(text.xml.encode("cp932"))
        assert (config.mapped_folders, config.encoding) == (text.mapped_folders, "cp932")
        assert "read as cp932, which is assumed" in config.notes

    def test_a_cut_or_damaged_character_is_no_other_code_page(self) -> None:
        data = "<Configuration><LogonCommand><Command>C:\\ソフト表\\a".encode()
        for odd in (data[:-4], data.replace("フ".encode(), b"\x83\x74")):
            config = read(odd)
            assert config.encoding == "utf-8"
            assert "C:\\ソ" in (config.logon_command or "")

    def test_an_unescaped_ampersand(self) -> None:
        config = read(PUBLISHED.replace("msiexec.bat", "a.bat & b.bat"))
        assert config.malformed
        assert not config.cut
        assert config.logon_command is not None
        assert config.logon_command.endswith("a.bat & b.bat")
        assert (config.networking, config.clipboard) == (True, True)

    def test_unclosed_elements_do_not_swallow_their_neighbours(self) -> None:
        config = read(
            "<Configuration><Networking>Disable <MemoryInMB>1024</MemoryInMB><MappedFolders><MappedFolder>"
            "<HostFolder>C:\\Users<SandboxFolder>C:\\x</SandboxFolder><LogonCommand><Command>a.bat<vGPU>Disable"
            "</Configuration>"
        )
        assert (config.networking, config.memory_mb, config.logon_command, config.vgpu) == (False, 1024, "a.bat", False)
        assert config.mapped_folders == (MappedFolder("C:\\Users", "C:\\x", False),)
        assert config.malformed

    def test_what_may_have_been_cut_away_is_unknown(self) -> None:
        config = read(PUBLISHED.partition("<LogonCommand>")[0])
        assert (config.malformed, config.cut) == (True, True)
        assert config.networking is True
        assert (config.clipboard, config.audio_input) == (None, None)

    def test_a_document_type_is_refused_and_said(self) -> None:
        config = read('<!DOCTYPE c [<!ENTITY x SYSTEM "file:///c:/secret">]>' + PUBLISHED)
        assert config.dtd
        assert not config.malformed
        assert config.memory_mb == 1024
        bomb = '<!DOCTYPE c [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
        assert read(f"{bomb}<Configuration><Networking>&b;</Networking></Configuration>").unknown == {
            "Networking": "&b;"
        }

    @pytest.mark.parametrize("data", [b"", b"\x00" * 500, b"   ", b"hello", b"<a><b/></a>", b"\xff\xfe", b"PK\x03\x04"])
    def test_what_is_no_configuration(self, data: bytes) -> None:
        with pytest.raises(FormatError):
            read(data)

    def test_cut_at_every_byte(self) -> None:
        for data in (PUBLISHED.encode(), PUBLISHED.encode("utf-16")):
            for length in range(len(data)):
                try:
                    config = read(data[:length])
                except FormatError:
                    assert b"onfiguratio" not in data[:length].replace(b"\x00", b"")[:-3], length
                else:
                    assert config.memory_mb in (None, 1, 10, 102, 1024)

    @pytest.mark.parametrize(
        "unit", ["<", "<a", "<a>", "<!--", "<![CDATA[", "<!doctype [", "<Networking><MappedFolder>", "&lt;", "<Foo/>"]
    )
    def test_hostile_shapes_take_linear_time(self, unit: str) -> None:
        began = time.monotonic()
        with contextlib.suppress(FormatError):
            read("<Configuration>" + unit * (400_000 // len(unit)))
        assert time.monotonic() - began < 20

    def test_a_padded_file_is_read_from_its_start(self) -> None:
        config = read(PUBLISHED.encode() + b" " * 2_000_000)
        assert config.memory_mb == 1024
        assert any("only its start" in note for note in config.notes)

    @settings(max_examples=150, deadline=None)
    @given(st.text(alphabet="<>/&;CaonfigurtReadOlyMpFe!-[]\"'= \n", max_size=200) | st.binary(max_size=200))
    def test_any_input_gives_a_configuration_or_a_format_error(self, data: bytes | str) -> None:
        with contextlib.suppress(FormatError):
            assert isinstance(read(data), Config)

    @settings(max_examples=100, deadline=None)
    @given(
        st.booleans(),
        st.integers(1, 1 << 30),
        st.lists(st.tuples(st.sampled_from("ABCD"), st.booleans()), max_size=4),
    )
    def test_what_is_written_is_read(self, net: bool, memory: int, folders: list[tuple[str, bool]]) -> None:
        maps = "".join(
            f"<MappedFolder><ReadOnly>{only}</ReadOnly><HostFolder>C:\\{name}</HostFolder></MappedFolder>"
            for name, only in folders
        )
        text = f"<Networking>{'Enable' if net else 'Disable'}</Networking><MemoryInMB>{memory}</MemoryInMB>"
        for config in (inner(f"{text}<MappedFolders>{maps}</MappedFolders>"),
                       inner(f"{text}<MappedFolders>{maps}</MappedFolders>&")):  # fmt: skip
            assert (config.networking, config.memory_mb) == (net, memory)
            assert [(folder.host[3:], folder.read_only) for folder in config.mapped_folders] == folders


class TestCommandLines:
    XML = "<Configuration><LogonCommand><Command>cmd.exe</Command></LogonCommand></Configuration>"
    LINE = f'wsb start --config "{XML}" --raw'

    def test_inline(self) -> None:
        found = find_inline(self.LINE)
        assert found == self.XML
        config = read_inline(self.LINE)
        assert config is not None
        assert config.logon_command == "cmd.exe"

    @pytest.mark.parametrize("rounds", [1, 2])
    def test_html_escaped(self, rounds: int) -> None:
        text = self.LINE
        for _ in range(rounds):
            text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
        config = read_inline(text)
        assert config is not None
        assert config.logon_command == "cmd.exe"
        assert "HTML-escaped" in read(text).notes

    def test_a_cut_command_line(self) -> None:
        config = read_inline(self.LINE[:70])
        assert config is not None
        assert config.cut
        assert config.networking is None

    @pytest.mark.parametrize(
        "text",
        [
            "&#60;Configuration&#62;&#60;Networking&#62;Disable&#60;/Networking&#62;&#60;/Configuration&#62;",
            "&#x3C;Configuration&#x3E;&#x3C;Networking&#x3E;Disable&#x3C;/Networking&#x3E;&#x3C;/Configuration&#x3E;",
            "\\u003cConfiguration\\u003e\\u003cNetworking\\u003eDisable\\u003c/Networking\\u003e\\u003c/Configuration\\u003e",
            "^<Configuration^>^<Networking^>Disable^</Networking^>^</Configuration^>",
            "<Configuration><!-- </Configuration> --><Networking>Disable</Networking></Configuration>",
        ],
    )
    def test_other_escapes(self, text: str) -> None:
        config = read_inline(f'wsb start -c "{text}" --raw')
        assert config is not None
        assert (config.networking, config.malformed, config.unknown) == (False, False, {})

    def test_a_quotation_mark_in_a_quoted_argument(self) -> None:
        xml = r"<Configuration><LogonCommand><Command>cmd /c \"a b\"</Command></LogonCommand></Configuration>"
        quoted, bare = read_inline(f'wsb start -c "{xml}"'), read_inline(f"wsb start -c '{xml}'")
        assert (quoted and quoted.logon_command) == 'cmd /c "a b"'
        assert (bare and bare.logon_command) == r"cmd /c \"a b\""

    def test_elements_alone_say_nothing_of_the_others(self) -> None:
        config = read_inline("WindowsSandboxClient.exe -x <NetworkingEnabled>true</NetworkingEnabled> -y")
        assert config is not None
        assert (config.networking, config.clipboard, config.malformed) == (True, None, False)
        assert read_inline("tool.exe <Networking> and nothing after it") is None

    @pytest.mark.parametrize("unit", ["<!--", "<!-->", "&lt;", "\\u003c", "^<", "<networking>", "<Configuration ", '"'])
    def test_hostile_lines_take_linear_time(self, unit: str) -> None:
        """A quarter of a MiB each: what takes the square of it would take minutes."""
        line = unit * (256 * 1024 // len(unit))
        started = time.monotonic()
        for text in (line, f"<Configuration>{line}", f"{line}</networking>"):
            find_inline(text)
        assert time.monotonic() - started < 5

    def test_none_in_it(self) -> None:
        assert read_inline("wsb list") is None
        assert find_inline('wsb start --config "<Configuration/>" -x') == "<Configuration/>"


@pytest.mark.samples
class TestSamples:
    def test_all_are_read_well_formed(self, samples: Path) -> None:
        files = sorted(path for path in (samples / "wsb").rglob("*") if path.is_file())
        found = {f"{path.parent.name[:8]}/{path.name}": read(path.read_bytes()) for path in files}
        assert len(files) == 23
        assert not any(config.malformed or config.cut or config.dtd for config in found.values())
        tags = sum(path.read_text().count("<MappedFolder>") for path in files)
        assert sum(len(config.mapped_folders) for config in found.values()) == tags == 42
        assert [name for name, config in found.items() if config.networking is None] == [
            "26zl+win/sandbox.wsb.template"
        ]
        assert [name for name, config in found.items() if config.networking is False] == ["l3fuex+w/sandbox.wsb"]
        assert [name for name, config in found.items() if config.logon_command is None] == ["jdhitsol/sample.wsb"]

    def test_one_in_full(self, samples: Path) -> None:
        config = read((samples / "wsb" / "codez-one+Windows-Sandbox-DevToolkit" / "sandbox.wsb").read_bytes())
        assert (config.networking, config.vgpu) == (True, True)
        assert [(folder.host, folder.read_only) for folder in config.mapped_folders] == [
            ("$(currentPath)\\downloads", True), ("$(currentPath)\\startup", True), ("$(currentPath)\\dev", False),
        ]  # fmt: skip
        assert config.notes == (
            "vGPU: 'Enabled' is not a documented value, read as True",
            "Networking: 'Enabled' is not a documented value, read as True",
        )
