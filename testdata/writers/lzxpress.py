"""Compresses with LZXPRESS Huffman, the format of Windows 10 prefetch files (after their `MAM` header).

Written from [MS-XCA] 2.1.4: chunks of 64 KiB, each with a table of 512 four-bit code lengths (256 literals, 256
length/distance classes), codes in 16-bit little-endian words with long match lengths in between.
"""

from __future__ import annotations

import heapq
import struct

CHUNK = 65536
_END = 256
_MAX_CODE = 15
_MIN_MATCH = 3
_MAX_DISTANCE = 65535

# A literal is its byte value; a match is (length, distance).
_Token = int | tuple[int, int]


def compress(data: bytes) -> bytes:
    """`data` as one LZXPRESS Huffman stream."""
    output = bytearray()
    seen: dict[bytes, int] = {}
    for start in range(0, len(data), CHUNK) or (0,):
        end = min(start + CHUNK, len(data))
        tokens = _tokens(data, start, end, seen)
        if end == len(data):
            tokens.append(-1)
        _write_chunk(output, tokens)
    return bytes(output)


def _tokens(data: bytes, start: int, end: int, seen: dict[bytes, int]) -> list[_Token]:
    """Greedy matches against the latest place that began with the same three bytes."""
    tokens: list[_Token] = []
    at = start
    while at < end:
        length = 0
        distance = at - seen.get(data[at : at + _MIN_MATCH], -_MAX_DISTANCE - 1)
        if at + _MIN_MATCH <= end and distance <= _MAX_DISTANCE:
            length = _match_length(data, at, distance, end)
        # Length 3 at distance 1 would be symbol 256, which also means "end": left to literals.
        step = length if length >= _MIN_MATCH and (length, distance) != (3, 1) else 1
        tokens.append(data[at] if step == 1 else (length, distance))
        for place in range(at, at + step):
            seen[data[place : place + _MIN_MATCH]] = place
        at += step
    return tokens


def _match_length(data: bytes, at: int, distance: int, end: int) -> int:
    length = 0
    limit = min(end - at, CHUNK - 1)
    while length < limit and data[at + length] == data[at + length - distance]:
        length += 1
    return length


def _symbol(token: _Token) -> int:
    if isinstance(token, tuple):
        length, distance = token
        return 256 + (distance.bit_length() - 1 << 4) + min(length - _MIN_MATCH, 15)
    return token if token >= 0 else _END


def _write_chunk(output: bytearray, tokens: list[_Token]) -> None:
    counts = [0] * 512
    for token in tokens:
        counts[_symbol(token)] += 1
    lengths = _code_lengths(counts)
    codes = _canonical(lengths)
    output += bytes(lengths[at] | lengths[at + 1] << 4 for at in range(0, 512, 2))
    bits = _BitWriter(output)
    for token in tokens:
        symbol = _symbol(token)
        bits.write(lengths[symbol], codes[symbol])
        if isinstance(token, tuple):
            length, distance = token[0] - _MIN_MATCH, token[1]
            if length >= 15:
                bits.raw(bytes([length - 15]) if length < 15 + 255 else struct.pack("<BH", 255, length))
            bits.write(distance.bit_length() - 1, distance & ~(1 << distance.bit_length() - 1))
    bits.flush()


def _code_lengths(counts: list[int]) -> list[int]:
    """Huffman code lengths of at most 15 bits: counts are flattened until they fit."""
    used = [symbol for symbol, count in enumerate(counts) if count]
    for spare in (_END, 0, 1):  # a tree needs two leaves
        if len(used) < 2 and spare not in used:
            used.append(spare)
    weights = {symbol: max(counts[symbol], 1) for symbol in used}
    while True:
        lengths = _tree_depths(weights)
        if max(lengths) <= _MAX_CODE:
            return lengths
        weights = {symbol: (weight + 1) // 2 for symbol, weight in weights.items()}


def _tree_depths(weights: dict[int, int]) -> list[int]:
    heap: list[tuple[int, int, tuple[int, ...]]] = [(weight, symbol, (symbol,)) for symbol, weight in weights.items()]
    heapq.heapify(heap)
    depths = [0] * 512
    while len(heap) > 1:
        first, order, left = heapq.heappop(heap)
        second, _, right = heapq.heappop(heap)
        for symbol in left + right:
            depths[symbol] += 1
        heapq.heappush(heap, (first + second, order, left + right))
    return depths


def _canonical(lengths: list[int]) -> dict[int, int]:
    """Codes in order of length, then symbol."""
    codes: dict[int, int] = {}
    code = previous = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - previous
        codes[symbol], previous = code, length
        code += 1
    return codes


class _BitWriter:
    """Bits, most significant first, in 16-bit words whose places are taken two words ahead of the bytes in between."""

    def __init__(self, output: bytearray) -> None:
        self._output = output
        self._places = [len(output), len(output) + 2]
        self._output += bytes(4)
        self._word = 0
        self._free = 16

    def write(self, count: int, value: int) -> None:
        """Append the low `count` bits of `value`."""
        self._word = self._word << count | value
        self._free -= count
        if self._free < 0:
            self._store(self._word >> -self._free)
            self._word &= (1 << -self._free) - 1
            self._free += 16
            self._places = [self._places[1], len(self._output)]
            self._output += bytes(2)

    def raw(self, data: bytes) -> None:
        """Append whole bytes where the decoder will read next."""
        self._output += data

    def flush(self) -> None:
        """Store the unfinished word; the word reserved after it stays zero."""
        self._store(self._word << self._free)

    def _store(self, word: int) -> None:
        struct.pack_into("<H", self._output, self._places[0], word)
