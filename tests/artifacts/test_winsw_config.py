from __future__ import annotations

import pytest

from forensics.artifacts.winsw_config import ARTIFACT
from tests.artifacts.file_inputs import MODIFIED, run, utc

PATH = "C:/ProgramData/Upd/updater.xml"
XML = r"""<?xml version="1.0" encoding="utf-8"?>
<!-- wrapper -->
<service>
  <id>GoogleUpdaterSvc</id>
  <name>Google Updater</name>
  <executable>%BASE%\code.exe</executable>
  <arguments>tunnel --accept-server-license-terms
     --name pc1</arguments>
  <serviceaccount><domain>CORP</domain><user>svc</user><password>hunter2secret</password></serviceaccount>
  <env name="VSCODE_CLI_ACCESS_TOKEN" value="gho_16C7e42F292c6912E7710c838347Ae178B4a"/>
  <startmode>Automatic</startmode>
  <logpath>%base%\logs</logpath>
</service>
"""


def test_a_wrapped_tunnel() -> None:
    (fact,), problems = run(ARTIFACT, PATH, XML, {MODIFIED: utc(2024, 12, 4)})
    assert problems == []
    assert fact.fields == {
        "service_name": "GoogleUpdaterSvc",
        "service_display_name": "Google Updater",
        "command_line": "C:\\ProgramData\\Upd\\code.exe tunnel --accept-server-license-terms --name pc1",
        "executable": "C:\\ProgramData\\Upd\\code.exe",
        "output_path": "C:\\ProgramData\\Upd\\logs",
        "service_account": "CORP\\svc",
        "start_type": "Automatic",
        "environment_names": ("VSCODE_CLI_ACCESS_TOKEN",),
        "file_path": "C:\\ProgramData\\Upd\\updater.xml",
        "file_sha256": "0" * 64,
    }
    assert not fact.context
    assert "hunter2" not in str(fact)
    assert "gho_" not in str(fact)


def test_start_arguments_go_before_arguments() -> None:
    text = (
        "<service><id>a</id><executable>C:\\x y\\a.exe</executable><arguments>no</arguments>"
        "<startargument>serve</startargument><startargument>-p 1</startargument></service>"
    )
    (fact,), _ = run(ARTIFACT, PATH, text)
    assert fact.fields["command_line"] == '"C:\\x y\\a.exe" serve -p 1'
    assert fact.fields["output_path"] == "C:\\ProgramData\\Upd"
    assert fact.context


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<services><service><id>a</id><executable>b</executable></service></services>",
        "<service><id>a</id></service>",
        "<configuration/>",
        "id: 5\nname: x\n",
    ],
)
def test_other_files_say_nothing(text: str) -> None:
    assert run(ARTIFACT, PATH, text) == ([], [])
    assert run(ARTIFACT, PATH.replace(".xml", ".yml"), text) == ([], [])


def test_yaml() -> None:
    text = 'id: upd\nexecutable: "%BASE%\\\\code.exe"\narguments: tunnel user show # x\n'
    text += "serviceAccount:\n  password: p4ss\n"
    (fact,), _ = run(ARTIFACT, "C:/ProgramData/Upd/upd.yml", text)
    assert fact.fields["command_line"] == "C:\\ProgramData\\Upd\\code.exe tunnel user show"
    assert "p4ss" not in str(fact)


def test_utf_16_with_a_document_type_and_a_cut_file() -> None:
    hostile = XML.replace("<!-- wrapper -->", '<!DOCTYPE service [<!ENTITY x "y">]>')
    (fact,), _ = run(ARTIFACT, PATH, hostile.encode("utf-16"))
    assert fact.fields["service_name"] == "GoogleUpdaterSvc"
    whole = XML.encode()
    told = 0
    for length in range(len(whole)):
        facts, problems = run(ARTIFACT, PATH, whole[:length])
        told += bool(facts)
        assert len(facts) == 0 or problems or length > len(whole) - 3, length
    assert told > 200  # from the executable's element on
