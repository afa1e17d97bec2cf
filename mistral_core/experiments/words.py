"""Measured numbers and bounds as people write them, in sentences, in tables and on the command line."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mistral_core.experiments.finding import Number, Threshold, Value

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LEAST, MOST = 1e-4, 1e6
"""Outside these a number that is not whole is written with a power of ten: more digits say nothing."""


def number(value: Number) -> str:
    """A measured number, four significant digits at most; of very small and large ones two, with a power of ten.

    >>> number(0.0), number(12345.6), number(0.012345), number(-2), number(float("nan")), number(3.37e-12)
    ('0', '12,346', '0.01235', '−2', 'not measured', '3.4 × 10⁻¹²')
    >>> number(1e-9), number(137877058.9), number(5e-324), number(16_777_216)
    ('10⁻⁹', '1.4 × 10⁸', 'more than 0, less than 10⁻³⁰⁷', '16,777,216')
    """
    if not math.isfinite(value):
        return "not measured"
    size = abs(value)
    if size == 0:
        return "0"
    if size < sys.float_info.min:  # denormal: it has no digits that could be trusted
        return "more than 0, less than 10⁻³⁰⁷" if value > 0 else "less than 0, more than −10⁻³⁰⁷"
    if size < LEAST or (size >= MOST and (not _whole(value) or size >= 1e15)):
        text = _with_power(size)
        return f"−{text}" if value < 0 else text
    text = f"{value:,.0f}" if size >= 1000 or _whole(value) else f"{value:.4g}"
    return text.replace("-", "−")


def bound(threshold: Threshold) -> str:
    """What was needed; a bound that only the smallest numbers miss says that it is not to be zero.

    >>> from mistral_core.experiments.finding import Threshold
    >>> bound(Threshold(name="a", says="a", role="claim", limit="", at_most=2.0))
    'at most 2'
    >>> bound(Threshold(name="a", says="a", role="claim", limit="", at_least=5e-324))
    'not zero'
    """
    if threshold.at_least is None:
        return f"at most {number(threshold.at_most or 0)}"
    if 0 < threshold.at_least < sys.float_info.min:
        return "not zero"
    return f"at least {number(threshold.at_least)}"


def spread(value: Value) -> str:
    """What was measured, and how far it varies."""
    ends = between(value)
    return f"{number(value.measured)} ({ends})" if ends else number(value.measured)


def between(value: Value) -> str:
    """How far it varies; "" where only one was measured.

    >>> from mistral_core.experiments.finding import Value
    >>> between(Value(measured=0.07, low=-0.01, high=0.15, source="model"))
    '−0.01 to 0.15'
    """
    return "" if value.low is None or value.high is None else f"{number(value.low)} to {number(value.high)}"


def _whole(value: Number) -> bool:
    return isinstance(value, int) or value.is_integer()


def _with_power(size: float) -> str:
    """Two digits and a power of ten."""
    digits, exponent = f"{size:.1e}".split("e")
    power = f"10{str(int(exponent)).translate(_RAISED)}"
    return power if digits == "1.0" else f"{digits.removesuffix('.0')} × {power}"
