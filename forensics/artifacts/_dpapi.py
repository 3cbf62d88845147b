"""The fields of a DPAPI blob: what stands in the clear, never what it protects."""

from __future__ import annotations

from forensics.artifacts.base import FieldType
from forensics.formats.dpapi import Blob
from forensics.model import Value

DPAPI: dict[str, FieldType] = {
    "dpapi_provider": str, "dpapi_master_key": str, "dpapi_description": str, "dpapi_cipher": str, "dpapi_hash": str,
    "protected_size": int,
}  # fmt: skip


def dpapi_fields(blob: Blob) -> dict[str, Value | None]:
    """Who can open a blob, with what, and how it was described."""
    return {
        "dpapi_provider": blob.provider,
        "dpapi_master_key": blob.master_key,
        "dpapi_description": blob.description,
        "dpapi_cipher": blob.cipher,
        "dpapi_hash": blob.hash_algorithm,
        "protected_size": blob.data_size,
    }
