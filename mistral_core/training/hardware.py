"""What this machine is good at: both precisions are timed, the faster one is taken, and the reason is said.

Some CPUs have matrix units for bfloat16 and are ten times faster with it, some have none and are
eighty times slower, and flags do not tell how fast. So a training step of the very network is timed in
both, and a compiled one beside the one taken.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from mistral_core.training.network import TrainingNetwork

Precision = Literal["float32", "bfloat16"]
PROBE_SEQUENCES = 2
"""A timed step has so many sequences at most: enough to compare, a fraction of a real step."""
ROUNDS = 3
"""How often the two precisions take turns; the best of each counts."""
WORTH_COMPILING = 600.0
"""Seconds of training below which a minute of compiling does not pay."""
UNITS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
LossFunction = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How a run computes, and why.

    Attributes:
        machine: in words.
        precision: of the multiplications; weights and sums stay float32.
        compiled: whether torch.compile is used.
        muon_dtype: in which Muon multiplies.
        why: sentences with the measured numbers.
        matmul_gflops: of one multiplication of the network's own shape, in the precision taken.
    """

    machine: str
    precision: Precision
    compiled: bool
    muon_dtype: Precision
    why: tuple[str, ...]
    matmul_gflops: float

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**vars(self), "why": list(self.why)}


def find_device(name: str) -> torch.device:
    """The device of a flag; "auto" = a GPU where there is one.

    Raises:
        ValueError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"{name!r} is not a device; use auto, cpu, cuda or cuda:1") from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device {name!r} is not supported; use auto, cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"there is no device {name!r} here; {torch.cuda.device_count()} GPUs are found, use cpu")
    return device


def describe_machine(device: torch.device) -> str:
    """The processor in words: what a card states and a resumed run compares."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} (CUDA)"
    flags, name = _cpu_facts()
    units = [unit for unit in UNITS if unit in flags]
    best = f", {units[0]}" if units else ""
    threads = torch.get_num_threads()
    return f"{name}{best}, {threads} thread{'s' if threads > 1 else ''}"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """The context in which the loss is computed."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def find_compiler(device: torch.device) -> str | None:
    """The compiler that torch.compile would use here; `None` where it would find none."""
    names = [os.environ.get("CXX", ""), "g++", "clang++", "c++", "cl"]
    command = next((name for name in names if name and shutil.which(name)), None)
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return None
    return command


def choose(
    network: TrainingNetwork,
    tokens: Tensor,
    *,
    precision: Precision | Literal["auto"] = "auto",
    compile_mode: Literal["auto", "on", "off"] = "auto",
    steps: int = 1,
) -> Choice:
    """Times what is left open and picks the faster.

    Args:
        network: of the run; its weights stay as they are.
        tokens: a batch of the run, `[batch, context + 1]`, on the device.
        precision: given, or "auto" to time both.
        compile_mode: "auto" compiles where a compiler is found, the run is long enough and it is faster.
        steps: of the run, in batches of that size.
    """
    device = tokens.device
    why: list[str] = []
    probe = tokens[:PROBE_SEQUENCES]
    timed = precision == "auto"
    if precision == "auto":
        precision = _faster_precision(network, probe, why)
    else:
        why.append(f"{precision} was asked for.")
    rates: dict[Precision, float] = {kind: matmul_gflops(network, device, kind) for kind in ("float32", "bfloat16")}
    why.append(
        f"One multiplication of the network's shape: {rates['float32']:,.0f} GFLOP/s in float32, "
        f"{rates['bfloat16']:,.0f} in bfloat16."
    )
    faster: Precision = "bfloat16" if rates["bfloat16"] > rates["float32"] else "float32"
    muon = faster if timed else precision
    compiled = _worth_compiling(network, tokens, precision, compile_mode, steps, why)
    return Choice(
        machine=describe_machine(device),
        precision=precision,
        compiled=compiled,
        muon_dtype=muon,
        why=tuple(why),
        matmul_gflops=rates[precision],
    )


def matmul_gflops(network: TrainingNetwork, device: torch.device, precision: Precision) -> float:
    """GFLOP/s of `x W^T` as in the feed-forward layer of the network, the best of five."""
    config = network.model.config
    dtype = getattr(torch, precision)
    x = torch.ones(8192 if device.type == "cuda" else 1024, config.dim, dtype=dtype, device=device)
    weight = torch.ones(config.hidden_dim, config.dim, dtype=dtype, device=device)
    seconds = _least_seconds(lambda: torch.nn.functional.linear(x, weight), device, 5)
    return 2 * x.numel() * config.hidden_dim / seconds / 1e9


def loss_and_gradients(function: LossFunction, batch: Tensor, kept: Tensor | None, precision: Precision) -> Tensor:
    """Loss of `[batch, context + 1]` tokens; gradients are added to the weights.

    Args:
        kept: of dropout, see `TrainingNetwork.draw`.
    """
    with autocast(batch.device, precision):
        loss = function(batch[:, :-1], batch[:, 1:], kept)
    loss.backward()
    return loss.detach()


def _faster_precision(network: TrainingNetwork, probe: Tensor, why: list[str]) -> Precision:
    if probe.device.type == "cuda" and not torch.cuda.is_bf16_supported():
        why.append("float32: this GPU has no bfloat16.")
        return "float32"
    n_tokens = probe[:, 1:].numel()
    kinds: tuple[Precision, ...] = ("float32", "bfloat16")
    rates: dict[Precision, float] = dict.fromkeys(kinds, 0.0)
    for _ in range(ROUNDS):  # in turns, so that a busy moment of the machine meets both
        for kind in kinds:
            rates[kind] = max(rates[kind], n_tokens / _step_seconds(network, network, probe, kind))
    best: Precision = "bfloat16" if rates["bfloat16"] > rates["float32"] else "float32"
    why.append(
        f"{best}: forward and backward of {n_tokens:,} tokens ran at {rates['float32']:,.0f} tokens/s in float32 "
        f"and {rates['bfloat16']:,.0f} with bfloat16 products."
    )
    return best


def _worth_compiling(
    network: TrainingNetwork, tokens: Tensor, precision: Precision, mode: str, steps: int, why: list[str]
) -> bool:
    if mode == "off":
        why.append("torch.compile is off, as asked.")
        return False
    compiler = find_compiler(tokens.device)
    if compiler is None:
        why.append("torch.compile is off: no compiler was found.")
        return False
    plain = _step_seconds(network, network, tokens, precision)
    if mode == "auto" and plain * steps < WORTH_COMPILING:
        why.append(f"torch.compile is off: the whole run takes about {plain * steps:,.0f} s, too short to pay.")
        return False
    try:
        started = time.perf_counter()
        compiled = compile_network(network)
        faster = _step_seconds(network, compiled, tokens, precision)
        spent = time.perf_counter() - started
    except (RuntimeError, OSError, ImportError) as error:
        torch.compiler.reset()
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        why.append(f"torch.compile is off: it failed with {compiler} ({reason}).")
        return False
    gain = f"{faster:.2f} s a batch against {plain:.2f} s, ready after {spent:.0f} s ({compiler})"
    if mode == "auto" and faster > plain:
        why.append(f"torch.compile is off, it is slower: {gain}.")
        return False
    why.append(f"torch.compile is on: {gain}.")
    return True


def compile_network(network: TrainingNetwork) -> LossFunction:
    """The network's loss, compiled for one shape of batch."""
    compiled: LossFunction = torch.compile(network, dynamic=False)
    return compiled


def _step_seconds(
    network: TrainingNetwork, function: LossFunction, batch: Tensor, precision: Precision, repeats: int = 2
) -> float:
    generator = torch.Generator(batch.device).manual_seed(0)

    def once() -> None:
        loss_and_gradients(function, batch, network.draw(batch[:, :-1], generator), precision)

    try:
        return _least_seconds(once, batch.device, repeats)
    finally:
        network.zero_grad(set_to_none=True)


def _least_seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """The fastest run after one that is not counted: other programs only ever make a run slower."""

    def timed() -> float:
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - started

    timed()
    return max(min(timed() for _ in range(repeats)), 1e-9)


def _cpu_facts() -> tuple[set[str], str]:
    """Flags and name of the processor, where the system tells."""
    flags: set[str] = set()
    name = platform.processor() or platform.machine() or "CPU"
    try:
        content = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return flags, name
    for line in content.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() == "flags":
            flags = set(value.split())
            break
    return flags, name
