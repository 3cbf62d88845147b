from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.formats.tunnelid import (
    connection_token,
    is_cluster,
    is_tunnel_id,
    is_tunnel_name,
    matches_token,
    server_of,
)

COMMIT = "f1a4fb101478ce6ec82fe9627c43efbf9e98c813"


@pytest.mark.parametrize(
    ("tunnel_id", "token"),
    [
        ("q7m2xk4d", "CgxJd2e9LdDDo-FolIgseX4nCm0Sx16ZhYZVK9xEVPI"),
        ("brisk-otter-7c9x2hd", "j6rNOBqmM638BLnQcjW5j2VT8ULJvY3SXMRvEhx_g-I"),
    ],
)
def test_vectors(tunnel_id: str, token: str) -> None:
    assert connection_token(tunnel_id) == token
    assert matches_token(token, tunnel_id)
    assert not matches_token(token, tunnel_id + "x")


def test_a_token_that_begins_with_a_dash_has_two_forms() -> None:
    names = (f"{number:08d}" for number in range(1000))
    plain = next(
        (name, text)
        for name in names
        if (text := base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).decode().rstrip("=")).startswith(
            "-"
        )
    )
    assert connection_token(plain[0]) == "a" + plain[1]
    assert matches_token(plain[1], plain[0])
    assert matches_token("a" + plain[1], plain[0])


@given(st.text(max_size=40))
def test_any_text_has_a_token(text: str) -> None:
    assert len(connection_token(text)) in (43, 44)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("q7m2xk4d", True), ("0lhl8jhv", True), ("brisk-otter-7c9x2hd", True), ("", False), ("Q7M2XK4D", False),
     ("-abc", False), ("ab", False), ("a" * 49, True), ("a" * 50, False), ("q7m2xk4d\n", False)],
)  # fmt: skip
def test_ids(text: str, expected: bool) -> None:
    assert is_tunnel_id(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("jpe1", True), ("usw2", True), ("uks1", True), ("asse", True), ("euw", True), ("use", True), ("jp1", False),
     ("jpe", False), ("jpe1x", False), ("", False), ("jpe1\n", False)],
)  # fmt: skip
def test_clusters(text: str, expected: bool) -> None:
    assert is_cluster(text) is expected


def test_names() -> None:
    assert is_tunnel_name("desktop-4k2lq9a")
    assert not is_tunnel_name("a b")
    assert not is_tunnel_name("")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"C:\\x\\servers\\Stable-{COMMIT}\\log.txt", ("Stable", COMMIT, False, False)),
        (f"C:/x/servers/insiders-{COMMIT.upper()}/pid.txt", ("Insiders", COMMIT, False, False)),
        (f"Stable-{COMMIT}-web.staging", ("Stable", COMMIT, True, True)),
        (f"Exploration-{COMMIT}", ("Exploration", COMMIT, False, False)),
        (f"Stable-{COMMIT}0", None),
        (f"Stable-{COMMIT[:-1]}", None),
        (f"Other-{COMMIT}", None),
        ("", None),
    ],
)
def test_servers(path: str, expected: tuple[object, ...] | None) -> None:
    assert server_of(path) == expected
