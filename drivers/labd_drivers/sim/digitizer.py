"""From volts to a scope's codes and on to the bytes of CURVe?, and back by WFMOutpre. Pure.

An 8-bit converter has 25 codes a division and shows ten divisions; a finer one has more in between.
volts = (code - y_offset) * y_multiplier + y_zero, for codes as they are transferred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int8 | np.int16]
_CODES_PER_DIVISION = 25.0


@dataclass(frozen=True, slots=True)
class Vertical:
    """An input's scale: volts a division, volts in the middle, divisions that zero is moved up."""

    scale_v: float
    offset_v: float
    position_div: float


@dataclass(frozen=True, slots=True)
class WireFormat:
    """How codes are transferred: 1 or 2 bytes, signed or not, which byte first."""

    n_bytes: int
    is_signed: bool
    is_big_endian: bool

    @property
    def _unit(self) -> int:
        """Transferred codes for one code of an 8-bit converter."""
        return 1 if self.n_bytes == 1 else 256

    @property
    def _middle(self) -> int:
        """The transferred code of zero."""
        return 0 if self.is_signed else 128 * self._unit

    def y_multiplier(self, vertical: Vertical) -> float:
        """Volts for one transferred code."""
        return vertical.scale_v / (_CODES_PER_DIVISION * self._unit)

    def y_offset(self, vertical: Vertical) -> float:
        """The transferred code of `offset_v`."""
        return vertical.position_div * _CODES_PER_DIVISION * self._unit + self._middle

    def pack(self, codes: Codes) -> bytes:
        """Codes as they are transferred."""
        if self.n_bytes == 1:
            narrow = codes if codes.dtype == np.int8 else (codes >> 8).astype(np.int8)
            octets = np.ascontiguousarray(narrow).view(np.uint8)
            return (octets if self.is_signed else octets ^ 0x80).tobytes()
        wide = self._wide(codes)
        return wide.astype(">u2" if self.is_big_endian else "<u2").tobytes()

    def values(self, codes: Codes) -> npt.NDArray[np.int32]:
        """Codes as the numbers that an ASCII transfer shows."""
        if self.n_bytes == 1:
            narrow = codes if codes.dtype == np.int8 else codes >> 8
            return narrow.astype(np.int32) + self._middle
        signed = self._wide(codes).view(np.int16) if self.is_signed else self._wide(codes)
        return signed.astype(np.int32)

    def _wide(self, codes: Codes) -> npt.NDArray[np.uint16]:
        """Two-byte codes, left-justified, as their bit patterns."""
        wide = codes.astype(np.int16)
        if codes.dtype == np.int8:
            wide <<= 8
        bits: npt.NDArray[np.uint16] = wide.view(np.uint16)
        return bits if self.is_signed else bits ^ np.uint16(0x8000)


def quantise(volts: npt.NDArray[np.float32], vertical: Vertical, n_bits: int) -> Codes:
    """What the converter makes of volts at the input; beyond its range it sticks at the end.

    Returns int8 for 8 bits, else int16 with the code in the upper bits; shape as volts.
    """
    finer = float(1 << (n_bits - 8))
    factor = np.float32(_CODES_PER_DIVISION * finer / vertical.scale_v)
    shift = np.float32(vertical.position_div * _CODES_PER_DIVISION * finer)
    codes = volts * factor
    codes += shift - np.float32(vertical.offset_v) * factor
    np.rint(codes, out=codes)
    limit = 1 << (n_bits - 1)
    np.clip(codes, -limit, limit - 1, out=codes)
    if n_bits == 8:
        return codes.astype(np.int8)
    return codes.astype(np.int16) << (16 - n_bits)
