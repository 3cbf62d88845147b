"""AES-256-CBC deciphering written out from FIPS 197: an implementation that shares nothing with the one under test."""

from __future__ import annotations


def _times(one: int, two: int) -> int:
    """The product in the field of the cipher."""
    out = 0
    while two:
        out ^= one if two & 1 else 0
        one = (one << 1) ^ (0x11B if one & 0x80 else 0)
        two >>= 1
    return out


def _sbox() -> list[int]:
    box = []
    for number in range(256):
        inverse = next((other for other in range(256) if _times(number, other) == 1), 0)
        out = 0x63
        for turn in range(5):
            out ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xFF
        box.append(out)
    return box


_BOX = _sbox()
_INVERSE = [_BOX.index(number) for number in range(256)]
_BY = {factor: [_times(number, factor) for number in range(256)] for factor in (9, 11, 13, 14)}


def _round_keys(key: bytes) -> list[bytes]:
    words = [key[at : at + 4] for at in range(0, 32, 4)]
    factor = 1
    for at in range(8, 60):
        word = words[-1]
        if at % 8 == 0:
            turned = bytes(_BOX[byte] for byte in (*word[1:], word[0]))
            word = bytes((turned[0] ^ factor, *turned[1:]))
            factor = _times(factor, 2)
        elif at % 8 == 4:
            word = bytes(_BOX[byte] for byte in word)
        words.append(bytes(a ^ b for a, b in zip(words[-8], word, strict=True)))
    return [b"".join(words[at : at + 4]) for at in range(0, 60, 4)]


def _xor(one: bytes, two: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, two, strict=True))


def _block(keys: list[bytes], block: bytes) -> bytes:
    state = _xor(block, keys[14])
    for number in range(13, -1, -1):
        state = bytes(_INVERSE[state[(at - 4 * (at % 4)) % 16]] for at in range(16))
        state = _xor(state, keys[number])
        if number:
            state = bytes(
                _BY[14][state[col + row]]
                ^ _BY[11][state[col + (row + 1) % 4]]
                ^ _BY[13][state[col + (row + 2) % 4]]
                ^ _BY[9][state[col + (row + 3) % 4]]
                for col in range(0, 16, 4)
                for row in range(4)
            )
    return state


def decrypt(key: bytes, start: bytes, sealed: bytes) -> bytes:
    """Every block, padding included."""
    keys, out = _round_keys(key), b""
    for at in range(0, len(sealed), 16):
        block = sealed[at : at + 16]
        out += _xor(_block(keys, block), start)
        start = block
    return out
