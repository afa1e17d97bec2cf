"""What loading a model costs at its peak."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mistral_core.checkpoint.save import save_hugging_face
from mistral_core.checkpoint.tensors import expected_shapes
from mistral_core.config import MistralConfig
from mistral_core.model import Transformer
from tests.model.checkpoint.folders import BUNDLED, TOKENIZER

MEASURE = """
import sys, torch
torch.set_num_threads(1)
from pathlib import Path
from mistral_core.checkpoint.load import load_model
def peak():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
first = load_model(sys.argv[1])  # what any first load imports belongs to the bare process
bare = peak()
model = load_model(sys.argv[2]).model
print(bare, peak(), sum(parameter.nbytes for parameter in model.parameters()))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("file_dtype", [torch.bfloat16, torch.float32])
def test_peak_memory_is_the_weights_and_a_fifth(tmp_path, file_dtype):
    config = MistralConfig(
        dim=1024,
        n_layers=4,
        n_heads=16,
        n_kv_heads=4,
        head_dim=64,
        hidden_dim=3584,
        vocab_size=4096,
        norm_eps=1e-5,
        rope_theta=1e4,
        sliding_window=16,
    )
    model = Transformer.__new__(Transformer)  # only what saving reads: making random weights would take seconds
    torch.nn.Module.__init__(model)
    model.config = config
    model.state_dict = lambda: {k: torch.full(s, 0.01, dtype=file_dtype) for k, s in expected_shapes(config).items()}
    save_hugging_face(model, tmp_path, TOKENIZER)
    command = [sys.executable, "-c", MEASURE, str(BUNDLED), str(tmp_path)]
    root = Path(__file__).parents[3]
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root).stdout
    bare, peak, weights = map(int, output.split())
    assert weights > 200e6
    assert peak - bare < 1.2 * weights
    assert peak - bare > 0.8 * weights  # else something else was measured
