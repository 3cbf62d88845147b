"""The identities of sandboxes, on published vectors and on the rules' edges."""

from __future__ import annotations

import pytest

from forensics.formats.sandboxids import SANDBOX_USER, pipe_guid, read_pipe, user_hash, vm_account, vm_of_account

VM = "6735E377-BDB5-48C8-B586-426B14649F5D"
ACCOUNT = "S-1-5-83-1-1731584887-1221115317-1799521973-1570726932"


@pytest.mark.parametrize(
    ("sid", "guid"),
    [
        ("S-1-12-1-3573885804-1222524852-3860206477-1718224648", "4B6A999D-8A64-9E3B-DC96-AEFB3C47388B"),
        ("S-1-5-18", "894E5C52-E6CD-4A24-444E-A4D23F482ED3"),
    ],
)
def test_the_pipe_of_a_user(sid, guid):
    assert pipe_guid(sid) == guid


def test_the_account_of_a_machine():
    """Both out of one published record of the virtual switch (microsoft/WSL issue 10630)."""
    assert vm_account(VM.lower()) == vm_account(f"{{{VM}}}") == ACCOUNT
    assert vm_of_account(ACCOUNT) == VM


@pytest.mark.parametrize(
    "sid",
    ["", "S-1-5-18", "S-1-5-83-0", "S-1-5-83-1", "S-1-5-83-1-", "S-1-5-83-1-1-2-3", "S-1-5-83-1-1-2-3-4-5",
     "S-1-5-83-1-1-2-3-4294967296", "S-1-5-83-1-1-2-3--4", "S-1-5-83-1-1-2-3-x", f"S-1-5-83-1-1-2-3-{'9' * 5000}"],
)  # fmt: skip
def test_other_accounts(sid):
    assert vm_of_account(sid) is None


def test_no_machine():
    with pytest.raises(ValueError, match="badly formed"):
        vm_account("WSL")


@pytest.mark.parametrize(
    ("name", "role"),
    [
        (f"\\wsandbox\\{VM.lower()}", "sandbox service"),
        (f"\\\\.\\pipe\\WSandbox\\{{{VM}}}", "sandbox service"),
        (f"\\{VM.lower()}", "virtual machine"),
        (f"\\\\.\\PIPE\\code-{VM}", "code server"),
    ],
)
def test_pipes(name, role):
    assert read_pipe(name) == (role, VM)


@pytest.mark.parametrize(
    "name",
    ["", "\\", "\\lsass", f"\\x{VM}", f"\\{VM}.1", f"\\code-{VM[:-1]}", f"\\wsandbox{VM}", "<Anonymous Pipe>", VM],
)
def test_other_pipes(name):
    assert read_pipe(name) is None


def test_the_hashed_user():
    assert user_hash("Administrator") == "UmTGMgTFbA35+PSgMOoZ2ToPpAK+awC010ZOYWQQIfc="
    assert user_hash(SANDBOX_USER) == "4Hj3MagGoiS5jlUPtaE9oFQASfTeuv0YxZ1BnpHIT5I="
    assert user_hash("\ud800")
