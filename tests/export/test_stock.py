"""stock.jsonl: the rows come back as they were written, but for the bytes behind a text that was made safe."""

from __future__ import annotations

from pathlib import Path

from forensics.case import Case
from forensics.export import stock
from forensics.model import Aside, Fact, Source
from forensics.safety import safe_fact

XML = "<Task>\r\n  <Actions/>\r\n</Task>\x07"


def test_the_bytes_of_texts_are_left_in_the_evidence(tmp_path: Path) -> None:
    source = Source("e", "C:/Windows/System32/Tasks/Microsoft/a", "00" * 32, "file")
    fact = safe_fact(Fact("task.defined", source, {}, {"task_xml": XML, "command_line": "a.exe"}, {}, True, (), ()))
    assert "raw_hex" in fact.fields
    path = tmp_path / "stock.jsonl"
    stock.write(Case(stock=[Aside("WS1", fact)]), path)
    assert XML.encode().hex() not in path.read_text(encoding="utf-8")
    (row,) = stock.read(path)
    assert row.fact.source == source
    assert row.fact.fields == {name: value for name, value in fact.fields.items() if name != "raw_hex"}
