"""Small model folders, and ways to change them."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from mistral_core.config import MistralConfig

BUNDLED = Path(__file__).parents[3] / "assets/models/storyteller"
TOKENIZER = BUNDLED / "tokenizer.model"
TINY = MistralConfig(
    dim=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=6,
    hidden_dim=24,
    vocab_size=4096,
    norm_eps=1e-5,
    rope_theta=500.0,
    sliding_window=5,
)
TOKENS = torch.randint(3, 4096, (2, 13), generator=torch.Generator().manual_seed(0))


def relative_error(got, wanted):
    return float((got - wanted).abs().max() / wanted.abs().max())


def rewrite(folder, change, file="consolidated.safetensors"):
    tensors = load_file(folder / file)
    change(tensors)
    save_file(tensors, folder / file)


def edit(path, **changes):
    content = json.loads(path.read_text())
    content |= changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "absent"}))


def split(folder, file, names, index=None):
    """Rewrites one safetensors file as two shards."""
    tensors = load_file(folder / file)
    halves = sorted(tensors)[::2], sorted(tensors)[1::2]
    for name, keys in zip(names, halves, strict=True):
        save_file({key: tensors[key] for key in keys}, folder / name)
    (folder / file).unlink()
    if index:
        weight_map = {key: name for name, keys in zip(names, halves, strict=True) for key in keys}
        (folder / index).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
