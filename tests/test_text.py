from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.text import clean, is_plain, mask_secrets, one_line, safe_text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("C:\\Users\\田中\\lab.wsb", "C:\\Users\\田中\\lab.wsb"),
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("a\x00b", "a\\x00b"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("\ud800", "\\ud800"),
        ("line\u2028forged", "line\\u2028forged"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\r=1+1", "\\x0d=1+1"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_what_is_escaped_and_what_stays(raw: str, shown: str) -> None:
    assert clean(raw).text == shown


def test_the_raw_form_is_kept_only_where_something_changed() -> None:
    assert clean("plain").raw_hex is None
    assert bytes.fromhex(clean("a\x1b").raw_hex or "") == b"a\x1b"
    assert bytes.fromhex(clean("\ud800").raw_hex or "").decode("utf-8", "surrogatepass") == "\ud800"


@given(st.text(alphabet=st.characters()))
def test_safe_text_is_idempotent_and_encodable(text: str) -> None:
    once = safe_text(text)
    assert safe_text(once) == once
    once.encode("utf-8")
    assert not any(ord(char) < 32 and char not in "\t\n" for char in once)


@given(st.text(alphabet=st.characters()), st.integers(2, 50))
def test_one_line_is_one_line_of_limited_length(text: str, limit: int) -> None:
    shown = one_line(text, limit)
    assert "\n" not in shown
    assert len(shown) <= limit


GITHUB = "gho_" + "Ab1Cd2Ef3G" * 3 + "XyZ012"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("code tunnel user login --access-token gho_abcDEF123456789", "gho_abcDEF123456789"),
        ('code tunnel --host-token "abc.def"', "abc.def"),
        ("http://127.0.0.1:8000/?tkn=SECRET1234", "SECRET1234"),
        ("bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.s5p", "eyJhbGciOiJIUzI1NiJ9"),
        ("github_pat_11ABCDEFG0123456789", "github_pat_11ABCDEFG0123456789"),
        ("https://a.example/cb#access_token=a1b2c3&x=1", "a1b2c3"),
        ("GET https://a.example/cb?refresh_token=a1b2c3", "a1b2c3"),
        ("https://a.example/cb?x=1&device_code=a1b2c3", "a1b2c3"),
        (f"x%7B%22accessToken%22%3A%22{GITHUB}%22%7D", GITHUB),
        ("%7B%22accessToken%22%3A%22opaque.1%22%7D", "opaque.1"),
        ("%22eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.s5p%22", "hbGciOi"),
        ('{"refresh_token": "M.C5_BAY.opaque"}', "opaque"),
        ('{\\"access_token\\":\\"M.C5_BAY.opaque\\"}', "opaque"),
        (f"\\u0022{GITHUB}\\u0022", GITHUB),
        ('args ["tunnel", "--access-token", "opaque1"]', "opaque1"),
        ("--access-token\x00opaque1\x00--name", "opaque1"),
        ("Authorization: tunnel opaque1", "opaque1"),
        (f"{GITHUB[:20]}\n    {GITHUB[20:]} end", GITHUB[20:]),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOi\nIxMjM0In0aaaaaaaaaaaaaaa.s5p", "IxMjM0In0a"),
        ("\x00".join(GITHUB), "\x00".join(GITHUB[8:])),
        (f"{GITHUB[:9]}\ufffd\x02{GITHUB[9:]}", GITHUB[9:]),
        (f"C:\\x\\old_{GITHUB}.txt", GITHUB),
    ],
)
def test_secrets_are_masked(text: str, hidden: str) -> None:
    masked = mask_secrets(text)
    assert hidden not in masked
    assert "<secret>" in masked


def test_the_connection_token_is_a_hash_and_stays() -> None:
    line = "node.exe server-main.js --connection-token=CgxJd2e9LdDDo-FolIgseX4nCm0Sx16ZhYZVK9xEVPI"
    assert mask_secrets(line) == line


@pytest.mark.parametrize(
    "text",
    ["highs_abcdef", "laughs_abc\ndef", "--access-token, --refresh-token", "CancellationToken: 5", "the client 7"],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert mask_secrets(text) == text


def test_the_word_after_a_short_token_stays() -> None:
    assert mask_secrets("gho_abcdef123\nStarting server") == "<secret>\nStarting server"


@pytest.mark.parametrize(
    "unit", ["eyJ", "gho_a\n", '--access-token\\"', '\\"', "g\0h\0o\0_\0", "eyJaaaaaaaa\n", "Token:"]
)
def test_masking_is_linear(unit: str) -> None:
    begun = time.process_time()
    mask_secrets(unit * (100_000 // len(unit)))
    assert time.process_time() - begun < 0.5


SECRETS = st.sampled_from(
    ["gho_abcdef123", "eyJhbGciOiJIUzI1NiJ9", "--host-token x", "tkn=1", "github_pat_1234567890", "?id_token=x"]
)


@given(st.lists(st.one_of(st.text(alphabet=st.characters(), max_size=20), SECRETS), max_size=4))
def test_what_is_plain_stays_as_it_is(parts: list[str]) -> None:
    text = " ".join(parts)
    if is_plain(text):
        assert clean(mask_secrets(text)).text == text
