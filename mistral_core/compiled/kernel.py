"""One decode step for several texts at once, compiled by numba: what `attention.py`, `block.py` and `model.py` do.

Each weight is read from memory once for all texts. Every number of a text is computed by the same instructions in the
same order whatever is computed beside it, so a text is the same bit for bit alone and among thirty:

* products with a matrix that lies by columns add `x[k] * weight[k]` for k = 0, 1, 2, ... to all outputs of a block;
* those with a matrix that lies by rows take four rows at a time, one text after the other;
* everything else (norm, RoPE, ring, scores, softmax) works on one text alone.

Addresses stand for memory that others own: the network's weights, the rings and the recorded arrays of each text. Who
calls keeps them alive. The step holds no lock of Python's while it computes.

Source: the same as of the files named above; only the order of the sums is this project's own.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numba
import numpy as np
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

WIDE, DEEP = 4096, 32
"""Outputs and inputs of a block of weights: half a MiB stays in a core's own memory while it is used for every text."""
KEYS, VALUES, HELD, SLOTS, PATTERN, WIDTH, ROT_K, V = range(8)
"""Columns of `places`: addresses and sizes of what belongs to one text in one layer; 0 = not recorded."""
NORM, QKV, WO, FFN_NORM, GATE, W2 = range(6)
"""Columns of `weights`: addresses of one layer's."""
EXACT = {"contract"}
SUMMED = {"contract", "reassoc", "nsz"}
"""What the compiler may do with sums: in the second, of one dot product, add in an order that it chose once."""


@no_type_check
@intrinsic
def _pointer(typingctx: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), codegen


@no_type_check
@njit(inline="always")
def _at(address: int, shape: Any) -> Any:
    """The float32 numbers at an address."""
    return numba.carray(_pointer(address), shape, dtype=np.float32)


@no_type_check
@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def by_columns(weight: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """`out = x @ weight`, weight `[n_in, n_out]`: term after term."""
    n_in, n_out = weight.shape
    for first in range(0, n_out, WIDE):
        last = min(n_out, first + WIDE)
        for row in range(len(x)):
            out[row, first:last] = 0
        for begin in range(0, n_in, DEEP):
            block = weight[begin : begin + DEEP]
            for row in range(len(x)):
                features, sums = x[row, begin : begin + DEEP], out[row, first:last]
                for k in range(0, len(features) - 3, 4):
                    a, b, c, d = features[k], features[k + 1], features[k + 2], features[k + 3]
                    w0, w1 = block[k, first:last], block[k + 1, first:last]
                    w2, w3 = block[k + 2, first:last], block[k + 3, first:last]
                    for n in range(len(sums)):
                        sums[n] = (((sums[n] + a * w0[n]) + b * w1[n]) + c * w2[n]) + d * w3[n]
                for k in range(len(features) // 4 * 4, len(features)):
                    a, w0 = features[k], block[k, first:last]
                    for n in range(len(sums)):
                        sums[n] += a * w0[n]


@no_type_check
@njit(fastmath=SUMMED, nogil=True, cache=True, error_model="numpy")
def _four(w0: np.ndarray, w1: np.ndarray, w2: np.ndarray, w3: np.ndarray, x: np.ndarray) -> Any:
    a = b = c = d = np.float32(0)
    for k in range(len(x)):
        a += w0[k] * x[k]
        b += w1[k] * x[k]
        c += w2[k] * x[k]
        d += w3[k] * x[k]
    return a, b, c, d


@no_type_check
@njit(fastmath=SUMMED, nogil=True, cache=True, error_model="numpy")
def _dot(weight: np.ndarray, x: np.ndarray) -> Any:
    total = np.float32(0)
    for k in range(len(x)):
        total += weight[k] * x[k]
    return total


@no_type_check
@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def by_rows(weight: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """`out = x @ weight.T`, weight `[n_out, n_in]`: four dot products at a time."""
    n_out = len(weight)
    for n in range(0, n_out - 3, 4):
        w0, w1, w2, w3 = weight[n], weight[n + 1], weight[n + 2], weight[n + 3]
        for row in range(len(x)):
            out[row, n], out[row, n + 1], out[row, n + 2], out[row, n + 3] = _four(w0, w1, w2, w3, x[row])
    for n in range(n_out // 4 * 4, n_out):
        for row in range(len(x)):
            out[row, n] = _dot(weight[n], x[row])


@no_type_check
@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def product(address: int, columns: bool, x: np.ndarray, out: np.ndarray) -> None:
    """`out = W x` of each row, wherever and however the matrix lies."""
    if columns:
        by_columns(_at(address, (x.shape[1], out.shape[1])), x, out)
    else:
        by_rows(_at(address, (out.shape[1], x.shape[1])), x, out)


@no_type_check
@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def normalise(x: np.ndarray, gain: np.ndarray, eps: float, out: np.ndarray) -> None:
    """RMSNorm of each row."""
    for row in range(len(x)):
        scale = np.sqrt(_dot(x[row], x[row]) / np.float32(len(gain)) + np.float32(eps))
        for n in range(len(gain)):
            out[row, n] = (x[row, n] / scale) * gain[n]


@no_type_check
@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def turn(head: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> None:
    """RoPE of one head, in place: each adjacent pair by its angle."""
    for pair in range(len(cos)):
        a, b = head[2 * pair], head[2 * pair + 1]
        head[2 * pair] = a * cos[pair] - b * sin[pair]
        head[2 * pair + 1] = a * sin[pair] + b * cos[pair]


@no_type_check
@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def exponentials(x: np.ndarray, room: np.ndarray) -> None:
    """`exp` of all numbers, in place, to two units in the last place; many at once, which the library's is not.

    x = whole * ln 2 + rest; a polynomial gives exp(rest), and 2^whole is written as the exponent of a float.

    Args:
        room: as long as x.

    Source: the polynomial of Cephes, `expf` (S. Moshier).
    """
    powers = room.view(np.int32)
    for n in range(len(x)):
        number = min(max(x[n], np.float32(-87)), np.float32(88))
        whole = np.floor(number * np.float32(1.44269504088896341) + np.float32(0.5))
        rest = number - whole * np.float32(0.693359375) + whole * np.float32(2.12194440e-4)
        sums = np.float32(1.9875691500e-4) * rest + np.float32(1.3981999507e-3)
        sums = sums * rest + np.float32(8.3334519073e-3)
        sums = sums * rest + np.float32(4.1665795894e-2)
        sums = sums * rest + np.float32(1.6666665459e-1)
        sums = sums * rest + np.float32(5.0000001201e-1)
        x[n] = sums * rest * rest + rest + np.float32(1)
        powers[n] = (np.int32(whole) + np.int32(127)) << np.int32(23)
    for n in range(len(x)):
        x[n] *= room[n]


@no_type_check
@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def slot_of(position: int, slots: int, sinks: int) -> int:
    """As `ring.slots_of`."""
    return position if position < sinks else sinks + (position - sinks) % (slots - sinks)


@no_type_check
@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def attend(
    qkv: np.ndarray,
    shape: Any,
    position: int,
    window: int,
    place: np.ndarray,
    weights: np.ndarray,
    order: np.ndarray,
    z: np.ndarray,
) -> None:
    """Writes a key and a value into the ring, looks at what the window allows, and records.

    Args:
        qkv: queries, keys (both turned) and values of this token. window: of the layer, 0 = none.
        place: a row of `places`. weights, order: room for twice one head's, of all visible keys, and for their slots.
        z: the weighted sums, written.
    """
    heads, kv_heads, size, sinks = shape
    slots, width = place[SLOTS], place[WIDTH]
    keys, values = _at(place[KEYS], (kv_heads, slots, size)), _at(place[VALUES], (kv_heads, slots, size))
    k, v = qkv[heads * size : (heads + kv_heads) * size], qkv[(heads + kv_heads) * size :]
    own = slot_of(position, slots, sinks)
    numba.carray(_pointer(place[HELD]), slots, dtype=np.int64)[own] = position
    for g in range(kv_heads):
        keys[g, own, :] = k[g * size : (g + 1) * size]
        values[g, own, :] = v[g * size : (g + 1) * size]
    if place[ROT_K]:
        _at(place[ROT_K] + 4 * position * len(k), len(k))[:] = k
    if place[V]:
        _at(place[V] + 4 * position * len(v), len(v))[:] = v
    near = min(position + 1, window) if window else position + 1
    kept = min(sinks, max(0, position + 1 - near))
    weights, room = weights[0, : near + kept], weights[1, : near + kept]
    for n in range(near + kept):
        order[n] = slot_of(position - n if n < near else n - near, slots, sinks)
    scale = np.float32(1 / np.sqrt(size))
    for head in range(heads):
        g, q = head // (heads // kv_heads), qkv[head * size : (head + 1) * size]
        largest = np.float32(-np.inf)
        for n in range(len(weights)):
            weights[n] = _dot(keys[g, order[n]], q) * scale
            largest = max(largest, weights[n])
        weights -= largest
        exponentials(weights, room)
        total = np.float32(0)
        for n in range(len(weights)):
            total += weights[n]
        weights /= total
        sums = z[head * size : (head + 1) * size]
        sums[:] = 0
        for n in range(len(weights)):
            value = values[g, order[n]]
            for feature in range(size):
                sums[feature] += weights[n] * value[feature]
        if place[PATTERN]:
            row = _at(place[PATTERN] + 4 * (position * heads + head) * width, width)
            row[:near] = weights[:near]
            row[window : window + kept] = weights[near:]


@no_type_check
@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def step(
    x: np.ndarray,
    positions: np.ndarray,
    cos: np.ndarray,
    sin: np.ndarray,
    shape: Any,
    hidden_dim: int,
    eps: float,
    weights: np.ndarray,
    columns: np.ndarray,
    ends: np.ndarray,
    windows: np.ndarray,
    places: np.ndarray,
    longest: int,
    logits: np.ndarray,
) -> None:
    """One token of each text: from its embedding to the logits of the next.

    Args:
        x: `[rows, dim]`, the embeddings; becomes the stream. positions: of the tokens. cos, sin: `[rows, pairs]`.
        shape: heads, key/value heads, head_dim, sinks. weights: `[layers, 6]` addresses. columns: which of wqkv, wo,
            w1 and w3, w2 and the output lie by columns. ends: addresses of the last norm and the output.
        windows: by layer, 0 = none. places: `[rows, layers, 8]`. longest: keys that a head can look at.
        logits: `[rows, vocab_size]`, written.
    """
    heads, kv_heads, size, _ = shape
    rows, dim = x.shape
    normal, added = np.empty((rows, dim), np.float32), np.empty((rows, dim), np.float32)
    qkv = np.empty((rows, (heads + 2 * kv_heads) * size), np.float32)
    z = np.empty((rows, heads * size), np.float32)
    gate = np.empty((rows, 2 * hidden_dim), np.float32)
    post, opened = np.empty((rows, hidden_dim), np.float32), np.empty((2, hidden_dim), np.float32)
    seen, order = np.empty((2, longest), np.float32), np.empty(longest, np.int64)
    for layer in range(len(weights)):
        normalise(x, _at(weights[layer, NORM], dim), eps, normal)
        product(weights[layer, QKV], columns[0], normal, qkv)
        for row in range(rows):
            for head in range(heads + kv_heads):
                turn(qkv[row, head * size : (head + 1) * size], cos[row], sin[row])
            attend(qkv[row], shape, positions[row], windows[layer], places[row, layer], seen, order, z[row])
        product(weights[layer, WO], columns[1], z, added)
        x += added
        normalise(x, _at(weights[layer, FFN_NORM], dim), eps, normal)
        product(weights[layer, GATE], columns[2], normal, gate)
        for row in range(rows):
            opened[0] = -gate[row, :hidden_dim]
            exponentials(opened[0], opened[1])
            for n in range(hidden_dim):
                post[row, n] = gate[row, n] / (np.float32(1) + opened[0, n]) * gate[row, hidden_dim + n]
        product(weights[layer, W2], columns[3], post, added)
        x += added
    normalise(x, _at(ends[0], dim), eps, normal)
    product(ends[1], columns[4], normal, logits)
