"""Which weights are here: hashes in the background, once for each version of the files."""

import os
import shutil
import threading
import time

import pytest

from mistral_core.checkpoint.folder import CheckpointError
from mistral_core.checkpoint.load import load_model
from mistral_core.checkpoint.registry import bundled_root
from mistral_core.checkpoint.stored import weights_hash
from mistral_core.experiments.weights_here import Compared, WeightsHere, version_of


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(bundled_root() / "relay", tmp_path / "relay")


def known(here, measured):
    end = time.monotonic() + 30
    while (compared := here.compared(measured)).pending:
        assert time.monotonic() < end
        time.sleep(0.01)
    return compared


def damage(folder, where=-5):
    """Changes one byte of the last tensor, as another training would change them all; size and name stay."""
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))


def test_the_hash_is_that_of_the_loaded_model(folder):
    assert weights_hash(folder) == load_model(folder).model_hash
    (folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="not a complete safetensors file"):
        weights_hash(folder)


def test_a_changed_file_is_other_weights_and_a_file_is_read_once(folder):
    read = []

    def hash_of(path):
        read.append(path)
        return weights_hash(path)

    here, then = WeightsHere(lambda: {"relay": folder}, hash_of), weights_hash(folder)
    measured = {"relay": then, "smollm2": "ab"}
    assert here.compared(measured) == Compared(pending=("relay",), absent=("smollm2",)), "it does not wait"
    assert known(here, measured) == Compared(same=("relay",), absent=("smollm2",))
    assert known(here, {"relay": "another"}).other == ("relay",) and len(read) == 1
    damage(folder)
    assert known(here, measured).other == ("relay",) and len(read) == 2
    damage(folder)
    os.utime(folder / "model.safetensors", ns=(2, 2))
    assert known(here, measured).same == ("relay",) and len(read) == 3


def test_weights_that_cannot_be_read_are_other_weights(folder):
    here, measured = WeightsHere(lambda: {"relay": folder}), {"relay": weights_hash(folder)}
    (folder / "model.safetensors").unlink()
    assert version_of(folder) == ()
    assert known(here, measured).other == ("relay",)


def test_one_folder_is_read_at_a_time(tmp_path):
    inside, most, lock = 0, 0, threading.Lock()

    def hash_of(path):
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.05)
        with lock:
            inside -= 1
        return path.name

    names = {name: tmp_path / name for name in "abcd"}
    assert known(WeightsHere(lambda: names, hash_of), {name: name for name in "abcd"}).same == tuple("abcd")
    assert most == 1
