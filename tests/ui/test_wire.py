"""The format of everything that goes to the browser: what is packed arrives, byte for byte as the docstring says."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from app.wire import Parts, pack, unpack

ARRAYS = {
    "a": np.arange(6, dtype=np.int32).reshape(2, 3),
    "empty": np.empty((0, 4), np.float32),
    "big_endian": np.array([1, 2, 65535], ">u2"),
    "bytes": np.array([[1], [0], [1]], np.uint8),
}


def test_what_is_packed_arrives():
    header, arrays = unpack(pack(Parts({"run": "r", "words": ["é", None, 0.5]}, ARRAYS)))
    assert header == {"run": "r", "words": ["é", None, 0.5]}
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].shape == array.shape and np.array_equal(arrays[name], array)


def test_every_array_lies_where_the_header_says():
    """Read by hand, number by number, without the function under test."""
    payload = pack(Parts({"run": "r"}, ARRAYS))
    (length,) = struct.unpack_from("<I", payload)
    specs = json.loads(payload[4 : 4 + length])["arrays"]
    codes = {"<i4": "i", "<f4": "f", "<u2": "H", "|u1": "B"}
    for name, array in ARRAYS.items():
        at = 4 + length + specs[name]["offset"]
        assert at % 8 == 0
        assert struct.unpack_from(f"<{array.size}{codes[specs[name]['dtype']]}", payload, at) == tuple(array.flat)


def test_parts_are_joined_and_never_lose_a_field():
    joined = Parts({"a": 1}, {"x": ARRAYS["a"]}) | Parts({"b": 2}, {"y": ARRAYS["bytes"]})
    assert joined.header == {"a": 1, "b": 2} and list(joined.arrays) == ["x", "y"]
    with pytest.raises(ValueError, match="a, x stands in both parts"):
        joined | Parts({"a": 3}, {"x": ARRAYS["a"]})


def test_a_number_that_json_does_not_know_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        pack(Parts({"kl": float("nan")}))
