"""LZF, the compression of PCD files: literal runs and references back, one control byte each (Lehmann, liblzf)."""

from __future__ import annotations

_LITERAL = 32
_LONG = 7


def decompress(data: bytes, size: int) -> bytes:
    """The `size` bytes that `data` stands for.

    A control byte below 32 begins a run of that many literal bytes plus one. Any other has the length of a copy in its
    upper three bits (7: more in the next byte) and the distance back in its lower five and one more byte.

    Raises:
        ValueError: the data ends early, points before its beginning, or stands for another number of bytes.
    """
    out = bytearray()
    at, end = 0, len(data)
    try:
        while at < end:
            control = data[at]
            at += 1
            if control < _LITERAL:
                out += data[at : at + control + 1]
                at += control + 1
                continue
            length = control >> 5
            if length == _LONG:
                length += data[at]
                at += 1
            distance = ((control & 0x1F) << 8 | data[at]) + 1
            at += 1
            _copy(out, distance, length + 2)
            if len(out) > size:
                break
    except IndexError:
        raise ValueError("the compressed data ends inside a reference") from None
    if len(out) != size or at != end:
        raise ValueError(f"the compressed data stands for {len(out)} bytes or more, not for the {size} promised")
    return bytes(out)


def _copy(out: bytearray, distance: int, length: int) -> None:
    start = len(out) - distance
    if start < 0:
        raise ValueError(f"the compressed data refers {distance} bytes back after {len(out)} bytes")
    if distance >= length:
        out += out[start : start + length]
        return
    # The copy reaches into what it writes: the last `distance` bytes repeat.
    out += (out[start:] * (length // distance + 1))[:length]
