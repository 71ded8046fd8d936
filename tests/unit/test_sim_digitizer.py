"""Volts to codes to bytes, and back by the preamble."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd_drivers.sim.digitizer import Vertical, WireFormat, quantise

_DTYPES = {
    (1, True, True): ">i1",
    (1, False, True): ">u1",
    (2, True, True): ">i2",
    (2, True, False): "<i2",
    (2, False, False): "<u2",
    (2, False, True): ">u2",
}


@pytest.mark.parametrize("n_bits", [8, 12, 16])
@pytest.mark.parametrize("form", list(_DTYPES))
@given(
    scale=st.floats(1e-3, 1.0),
    offset_div=st.floats(-2, 2),
    position=st.floats(-2, 2),
    seed=st.integers(0, 1000),
)
def test_the_preamble_gives_the_volts_back(
    form: tuple[int, bool, bool],
    n_bits: int,
    scale: float,
    offset_div: float,
    position: float,
    seed: int,
) -> None:
    vertical = Vertical(scale, offset_div * scale, position)
    wire = WireFormat(form[0], is_signed=form[1], is_big_endian=form[2])
    shown = np.random.default_rng(seed).uniform(-2.5, 2.5, (3, 50)) * scale
    volts = shown + vertical.offset_v

    codes = quantise(volts.astype(np.float32), vertical, n_bits)
    numbers = np.frombuffer(wire.pack(codes), _DTYPES[form]).astype(float).reshape(3, 50)
    back = (numbers - wire.y_offset(vertical)) * wire.y_multiplier(vertical) + vertical.offset_v

    step = scale / 25 / (1 if form[0] == 1 else 1 << (n_bits - 8))
    assert np.abs(back - volts).max() <= step * (0.52 if form[0] == 2 or n_bits == 8 else 1.02)
    assert (wire.values(codes) == numbers).all()


def test_the_converter_sticks_at_its_ends() -> None:
    vertical = Vertical(0.1, 0.0, 0.0)

    codes = quantise(np.array([-9.0, 9.0, 0.5], np.float32), vertical, 8)

    assert codes.tolist() == [-128, 127, 125]
