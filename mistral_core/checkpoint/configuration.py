"""What published folders call things: tensor names, shapes and `config.json` keys.

Two layouts exist. Mistral's own (`params.json`, `consolidated*.safetensors`) is the one this
program thinks in. Hugging Face's (`config.json`, `model*.safetensors`) has other names, and stores
wq and wk with their rows in another order (half-split rotary pairs; `checkpoint.py` turns them
back). A key of `config.json` that could change the network and is not understood is refused,
because a model that is silently another one would falsify everything drawn from it.

Nothing here imports torch, so a configuration can be shown without loading it.

Source: mistral-inference `args.py`; transformers `configuration_mistral.py` (versions 4 and 5).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mistral_core.config import V01_ROPE_THETA, ConfigNotice, MistralConfig

MISTRAL, HUGGING_FACE = "Mistral", "Hugging Face"
INDEX_FILE = "model.safetensors.index.json"
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
_WHY_NOT_PICKLE = (
    "such files can run any program when opened, so only safetensors are read; "
    "convert them with their source's own tools, or take the safetensors edition"
)
_TO_HF = {
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_TO_HF_TOP = {"tok_embeddings": "model.embed_tokens", "norm": "model.norm", "output": "lm_head"}
_FIELDS = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "num_key_value_heads": "n_kv_heads",
    "intermediate_size": "hidden_dim",
    "vocab_size": "vocab_size",
    "rms_norm_eps": "norm_eps",
    "sliding_window": "sliding_window",
    "tie_word_embeddings": "tied_embeddings",
}
_ABSENT = {"num_key_value_heads": 8, "rms_norm_eps": 1e-6, "sliding_window": 4096}
"""What transformers' MistralConfig takes for a key that the file does not have."""

_NO_EFFECT = {
    "architectures",
    "model_type",
    "torch_dtype",
    "dtype",
    "transformers_version",
    "use_cache",
    "_name_or_path",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "unk_token_id",
    "sep_token_id",
    "decoder_start_token_id",
    "attention_dropout",
    "initializer_range",
    "max_position_embeddings",
    "id2label",
    "label2id",
    "problem_type",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "chunk_size_feed_forward",
    "pretraining_tp",
    "tokenizer_class",
    "is_encoder_decoder",
    "_attn_implementation",
    "_attn_implementation_autoset",
    "finetuning_task",
}
_MUST_BE = {
    "hidden_act": ("silu", "the feed-forward gate of Mistral is SiLU"),
    "attention_bias": (False, "Mistral's projections have no biases"),
    "mlp_bias": (False, "Mistral's projections have no biases"),
    "quantization_config": (None, "packed weights cannot be read; use the folder before quantisation"),
    "partial_rotary_factor": (1, "Mistral turns every pair of a head"),
}
_ROPE_KEYS = {"rope_theta", "rope_type", "type", "partial_rotary_factor"}


class CheckpointError(ValueError):
    """A model folder that cannot be loaded; the message lists everything that is wrong with it."""


def expected_shapes(config: MistralConfig) -> dict[str, tuple[int, ...]]:
    """Mistral's name of every tensor of the network, and its shape (rows = output features).

    >>> from mistral_core.config import MISTRAL_7B
    >>> expected_shapes(MISTRAL_7B)["layers.0.attention.wk.weight"]
    (1024, 4096)
    """
    c = config
    query, stored = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    layer: dict[str, tuple[int, ...]] = {
        "attention.wq": (query, c.dim),
        "attention.wk": (stored, c.dim),
        "attention.wv": (stored, c.dim),
        "attention.wo": (c.dim, query),
        "feed_forward.w1": (c.hidden_dim, c.dim),
        "feed_forward.w2": (c.dim, c.hidden_dim),
        "feed_forward.w3": (c.hidden_dim, c.dim),
        "attention_norm": (c.dim,),
        "ffn_norm": (c.dim,),
    }
    shapes: dict[str, tuple[int, ...]] = {"tok_embeddings.weight": (c.vocab_size, c.dim)}
    for index in range(c.n_layers):
        shapes |= {f"layers.{index}.{part}.weight": shape for part, shape in layer.items()}
    shapes["norm.weight"] = (c.dim,)
    if not c.tied_embeddings:
        shapes["output.weight"] = (c.vocab_size, c.dim)
    return shapes


def hugging_face_name(name: str) -> str:
    """Hugging Face's name of the tensor that Mistral calls `name`.

    >>> hugging_face_name("layers.3.feed_forward.w2.weight")
    'model.layers.3.mlp.down_proj.weight'

    Raises:
        KeyError: the network has no such tensor.
    """
    stem = name.removesuffix(".weight")
    if stem in _TO_HF_TOP:
        return f"{_TO_HF_TOP[stem]}.weight"
    _, index, part = stem.split(".", 2)
    return f"model.layers.{index}.{_TO_HF[part]}.weight"


def rotary_heads(config: MistralConfig, name: str) -> int | None:
    """Heads of a tensor whose rows the two layouts order differently; `None` for all others."""
    heads = {"attention.wq.weight": config.n_heads, "attention.wk.weight": config.n_kv_heads}
    return next((count for suffix, count in heads.items() if name.endswith(suffix)), None)


def detect_layout(folder: Path) -> str:
    """Which of the two layouts a folder has. Mistral's own wins where both are complete.

    Raises:
        CheckpointError: not a folder, or one without a configuration.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; name the folder that holds the model's files")
    has_params, has_config = (folder / "params.json").is_file(), (folder / "config.json").is_file()
    if has_params and (not has_config or any(folder.glob("consolidated*.safetensors"))):
        return MISTRAL
    if has_config:
        return HUGGING_FACE
    raise CheckpointError(
        f"{folder} has neither params.json (Mistral's layout) nor config.json (Hugging Face's); "
        f"a model folder needs one of them"
    )


def load_config(folder: str | Path) -> MistralConfig:
    """The configuration of a model folder. Needs no weights; what was assumed is warned about.

    Raises:
        ValueError: no configuration, a damaged one, or one of another network.
    """
    config, notices = read_config(folder)
    for notice in notices:
        warnings.warn(notice, ConfigNotice, stacklevel=2)
    return config


def read_config(folder: str | Path) -> tuple[MistralConfig, tuple[str, ...]]:
    """As `load_config`, with the notices returned instead of warned."""
    folder = Path(folder)
    if detect_layout(folder) == HUGGING_FACE:
        return config_from_hugging_face(read_json(folder / "config.json"))
    params = read_json(folder / "params.json")
    if "rope_theta" in params:
        return MistralConfig.from_params(params), ()
    notice = f"params.json names no rope_theta; taking {V01_ROPE_THETA:g}, the value of Mistral 7B v0.1"
    return MistralConfig.from_params({**params, "rope_theta": V01_ROPE_THETA}), (notice,)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        CheckpointError: unreadable, not JSON, or not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not readable as JSON: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a JSON {type(content).__name__}; it must be an object")
    return content


def config_from_hugging_face(content: Mapping[str, Any]) -> tuple[MistralConfig, tuple[str, ...]]:
    """Reads a `config.json` as transformers 4 or 5 writes it.

    Returns:
        The configuration, and a sentence for each value that the file leaves to transformers' default.

    Raises:
        CheckpointError: another architecture, or keys that could change the network in a way not known here.
    """
    problems = _foreign(content)
    theta, rope_notices = _rope_theta(content, problems)
    required = set(_FIELDS) - set(_ABSENT) - {"tie_word_embeddings"}
    if missing := sorted(required - set(content)):
        problems.append(f"it lacks {', '.join(missing)}")
    if problems:
        raise CheckpointError("config.json describes no network that can be run here: " + "; ".join(problems))
    values = {**_ABSENT, "tie_word_embeddings": False, **{key: content[key] for key in _FIELDS if key in content}}
    notices = tuple(
        f"config.json names no {key}; taking {default:g}, transformers' default for Mistral"
        for key, default in _ABSENT.items()
        if key not in content
    )
    if values["num_key_value_heads"] is None:
        values["num_key_value_heads"] = values["num_attention_heads"]
    head_dim = content.get("head_dim")
    if head_dim is None:
        head_dim = _divided(values["hidden_size"], values["num_attention_heads"])
    config = MistralConfig(
        **{_FIELDS[key]: value for key, value in values.items()}, head_dim=head_dim, rope_theta=theta
    )
    _check_layer_types(content.get("layer_types"), config)
    return config, notices + rope_notices


def config_to_hugging_face(config: MistralConfig, dtype: str) -> dict[str, Any]:
    """The `config.json` of a configuration, in the form that transformers 4 and 5 both read.

    Raises:
        ValueError: layers with different windows, which this format cannot say.
    """
    windows = set(config.windows)
    if len(windows) > 1:
        raise ValueError(
            f"the layers have the windows {list(config.windows)}; Hugging Face's Mistral has one for all, "
            f"so save this model in Mistral's layout"
        )
    values = {key: getattr(config, field) for key, field in _FIELDS.items()}
    return {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        **values,
        "sliding_window": windows.pop(),
        "head_dim": config.head_dim,
        "rope_theta": config.rope_theta,
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "initializer_range": 0.02,
        "max_position_embeddings": 32768,
        "torch_dtype": dtype,
    }


def weight_files(folder: Path, layout: str) -> list[Path]:
    """The safetensors files of a folder.

    Raises:
        CheckpointError: there are none, or the index of shards names something else.
    """
    single = folder / "model.safetensors"
    if layout == MISTRAL and (shards := sorted(folder.glob("consolidated*.safetensors"))):
        return shards
    if single.is_file():
        return [single]
    if layout == HUGGING_FACE and (folder / INDEX_FILE).is_file():
        return _indexed_files(folder)
    if pickles := sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES):
        raise CheckpointError(f"{folder} has its weights in {', '.join(pickles)}: {_WHY_NOT_PICKLE}")
    wanted = "consolidated*.safetensors" if layout == MISTRAL else f"model.safetensors or {INDEX_FILE}"
    raise CheckpointError(f"{folder} has no weights; in {layout}'s layout they are in {wanted}")


def _indexed_files(folder: Path) -> list[Path]:
    """The shards that the index names, each checked to be a safetensors file of this very folder."""
    weight_map = read_json(folder / INDEX_FILE).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise CheckpointError(f"{folder / INDEX_FILE} has no weight_map from tensor names to files")
    problems = []
    for shard in sorted(set(weight_map.values())):
        if shard in {"", ".", ".."} or "/" in shard or "\\" in shard:
            problems.append(f"{shard!r} is not the name of a file in the model's folder")
        elif Path(shard).suffix in _PICKLES:
            problems.append(f"{shard} is refused: {_WHY_NOT_PICKLE}")
        elif not (folder / shard).is_file():
            problems.append(f"{shard} is missing from the folder")
    if problems:
        raise CheckpointError(report(f"{folder / INDEX_FILE} names files that cannot be read", problems))
    return [folder / shard for shard in sorted(set(weight_map.values()))]


def report(what: str, problems: list[str]) -> str:
    """One message for all defects."""
    noun = "defect" if len(problems) == 1 else "defects"
    return f"{what} ({len(problems)} {noun}): " + "; ".join(problems)


def refuse_pickle(path: Path) -> None:
    """Refuses a path to a file that would run when opened, with the reason."""
    if path.suffix in _PICKLES and not path.is_dir():
        raise CheckpointError(f"{path} is refused: {_WHY_NOT_PICKLE}")


def _foreign(content: Mapping[str, Any]) -> list[str]:
    """Sentences on what makes a `config.json` another network than Mistral's."""
    problems = []
    if content.get("model_type") != "mistral":
        problems.append(f"model_type is {content.get('model_type')!r}, only 'mistral' can be run")
    architectures = content.get("architectures")
    if architectures not in (None, ["MistralForCausalLM"]):
        problems.append(f"architectures is {architectures!r}, only 'MistralForCausalLM' can be run")
    for key, (value, why) in _MUST_BE.items():
        if key in content and content[key] != value:
            problems.append(f"{key} is {content[key]!r}, but must be {value!r}: {why}")
    scaling = content.get("rope_scaling")
    if scaling is not None and not _is_default_rope(scaling):
        problems.append(f"rope_scaling is {scaling!r}, but Mistral's angles are not scaled: it must be null")
    known = set(_FIELDS) | _NO_EFFECT | set(_MUST_BE)
    known |= {"head_dim", "layer_types", "rope_theta", "rope_parameters", "rope_scaling"}
    if unknown := sorted(set(content) - known):
        problems.append(f"unknown keys {', '.join(unknown)}: remove them only if they do not change the network")
    return problems


def _is_default_rope(value: object) -> bool:
    if not isinstance(value, Mapping) or set(value) - _ROPE_KEYS:
        return False
    kinds = {value.get("rope_type", "default"), value.get("type", "default")}
    return kinds == {"default"} and value.get("partial_rotary_factor", 1) == 1


def _rope_theta(content: Mapping[str, Any], problems: list[str]) -> tuple[float, tuple[str, ...]]:
    """The rotary base from the places where the versions of transformers put it, and notices; adds to `problems`."""
    nested = content.get("rope_parameters")
    if nested is not None and not _is_default_rope(nested):
        problems.append(
            f"rope_parameters is {nested!r}, but Mistral's angles are not scaled: rope_type must be default"
        )
    places = [content, nested, content.get("rope_scaling")]
    given = [place["rope_theta"] for place in places if isinstance(place, Mapping) and "rope_theta" in place]
    if any(value != given[0] for value in given):
        problems.append(f"rope_theta is given as {' and as '.join(map(repr, given))}: keep one of them")
    if given:
        return given[0], ()
    return V01_ROPE_THETA, (f"config.json names no rope_theta; taking {V01_ROPE_THETA:g}, transformers' default",)


def _divided(width: object, heads: object) -> int:
    """The head width that a missing `head_dim` stands for."""
    if not isinstance(width, int) or not isinstance(heads, int) or heads < 1 or width % heads:
        raise CheckpointError(
            f"config.json has no head_dim, hidden_size {width!r} and num_attention_heads {heads!r}; "
            f"the second must divide the first, or head_dim must be given"
        )
    return width // heads


def _check_layer_types(layer_types: object, config: MistralConfig) -> None:
    wanted = ["full_attention" if window is None else "sliding_attention" for window in config.windows]
    if layer_types is not None and layer_types != wanted:
        raise CheckpointError(
            f"config.json has layer_types {layer_types!r}, which contradict sliding_window {config.sliding_window!r}; "
            f"transformers' Mistral gives every layer that window, so they would have to be {wanted[0]!r} throughout"
        )
