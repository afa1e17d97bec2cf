"""The configuration of a model folder: `params.json` as it is, `config.json` translated both ways.

A key of `config.json` that could change the network and is not understood is refused, because a
model that is silently another one would falsify everything drawn from it.

A key that is null says nothing, but for two (`published.py`).

Nothing here imports torch, so a configuration can be shown without loading it.

Source: mistral-inference `args.py`; transformers `configuration_mistral.py` (versions 4 and 5).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mistral_core.checkpoint.folder import (
    GGUF,
    HUGGING_FACE,
    MISTRAL,
    CheckpointError,
    detect_layout,
    gguf_file,
    in_words,
    parse_json,
    read_json,
)
from mistral_core.checkpoint.published import (
    MOST_CHARACTERS,
    Published,
    divided,
    layout_of,
    trained_context,
    without_null,
)
from mistral_core.config import (
    NO_EFFECT,
    V01_ROPE_THETA,
    ConfigNotice,
    MistralConfig,
    Window,
    as_float,
    brief,
    named,
    with_rope_theta,
)

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
_FAMILY: dict[str, tuple[str, dict[str, Any]]] = {
    "mistral": ("MistralForCausalLM", {"num_key_value_heads": 8, "rms_norm_eps": 1e-6, "sliding_window": 4096}),
    "ministral": ("MinistralForCausalLM", {"num_key_value_heads": 8, "rms_norm_eps": 1e-6, "sliding_window": 4096}),
    "llama": ("LlamaForCausalLM", {"num_key_value_heads": None, "rms_norm_eps": 1e-6, "sliding_window": None}),
}
"""By `model_type`, the class in transformers, and what its configuration takes for a key that the file does not have.

All three are one network: Ministral's layers take turns with and without a window, Llama's have none.
"""

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
_SAID = {"unsloth_version", "unsloth_fixed", "_model_name_or_path", "cls_token_id", "is_llama_config"}
_SAID |= {"use_sliding_window", "transformers.js_config", "max_sequence_length", "gradient_checkpointing"}
"""Keys that other programs leave in the file and that change nothing here; a notice names them."""
_MUST_BE = {
    "hidden_act": ("silu", "the feed-forward gate of Mistral is SiLU"),
    "attention_bias": (False, "Mistral's projections have no biases"),
    "mlp_bias": (False, "Mistral's projections have no biases"),
    "quantization_config": (None, "packed weights cannot be read; use the folder before quantisation"),
    "partial_rotary_factor": (1, "Mistral turns every pair of a head"),
    "rope_interleaved": (False, "the rows of q_proj and k_proj are half a head apart in this layout"),
}
_MAKES = {"model_type", "architectures", "head_dim", "layer_types", "rope_theta", "rope_parameters", "rope_scaling"}
_MAKES |= {"hidden_act", *_FIELDS}
_ROPE_KEYS = {"rope_theta", "rope_type", "type", "partial_rotary_factor"}


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
    found = read_published(folder)
    return found.config, found.notices


def read_published(folder: str | Path) -> Published:
    """All that the configuration of a model folder says; needs no weights.

    Raises:
        ValueError: as `load_config`.
    """
    folder = Path(folder)
    layout = detect_layout(folder)
    if layout == GGUF:
        from mistral_core.checkpoint.gguf_folder import config_from_gguf, header_of

        header = header_of(gguf_file(folder))
        config, notices = config_from_gguf(header)
        return Published(config=config, layout=GGUF, notices=notices, trained_context=trained_context(header.values))
    return _published(read_json(folder / ("config.json" if layout == HUGGING_FACE else "params.json")), layout)


def published_text(text: str, source: str) -> Published:
    """Reads a `config.json` or a `params.json` from its text; its keys say which of the two it is.

    Args:
        source: what a message calls the text.

    Raises:
        ValueError: too long, no JSON object, neither's keys, or the configuration of another network.
    """
    if len(text) > MOST_CHARACTERS:
        raise CheckpointError(
            f"{source} has more than {MOST_CHARACTERS:,} characters, and no config.json or params.json is so long; "
            f"give one of these two files"
        )
    content = parse_json(text.removeprefix("\ufeff"), source)
    return _published(content, layout_of(content, source))


def _published(content: Mapping[str, Any], layout: str) -> Published:
    if layout == MISTRAL:
        params, notices = with_rope_theta(content)
        config = MistralConfig.from_params(params)
        makes = {key for key, value in content.items() if value is not None} - NO_EFFECT - {"use_biases"}
    else:
        (config, notices), makes = config_from_hugging_face(content), _MAKES
    read, ignored = divided(content, makes)
    context = trained_context(content)
    return Published(config=config, layout=layout, notices=notices, trained_context=context, read=read, ignored=ignored)


def config_from_hugging_face(content: Mapping[str, Any]) -> tuple[MistralConfig, tuple[str, ...]]:
    """Reads a `config.json` as transformers 4 or 5 writes it.

    Returns:
        The configuration, and a sentence for each value that the file leaves to transformers' default.

    Raises:
        CheckpointError: another architecture, or keys that could change the network in a way not known here.
    """
    said = sorted(_SAID & set(content))
    content = without_null(content)
    problems = _foreign(content)
    _, absent = _FAMILY.get(str(content.get("model_type")), _FAMILY["mistral"])
    theta, rope_notices = _rope_theta(content, problems)
    required = set(_FIELDS) - set(absent) - {"tie_word_embeddings"}
    if missing := sorted(required - set(content)):
        problems.append(f"it lacks {', '.join(missing)}")
    if problems:
        raise CheckpointError(f"config.json describes no network that can be run here: {in_words(problems)}", problems)
    values: dict[str, Any] = {
        **absent,
        "tie_word_embeddings": False,
        **{key: content[key] for key in _FIELDS if key in content},
    }
    notices = tuple(
        f"config.json names no {key}; taking {default:g}, transformers' default for {content['model_type']}"
        for key, default in absent.items()
        if key not in content and default is not None
    )
    if said:
        change = "changes" if len(said) == 1 else "change"
        notices += (f"config.json has {', '.join(said)}, which {change} nothing here",)
    values["rms_norm_eps"] = as_float(values["rms_norm_eps"])
    if values["num_key_value_heads"] is None:
        values["num_key_value_heads"] = values["num_attention_heads"]
    head_dim = content.get("head_dim")
    if head_dim is None:
        head_dim = _divided(values["hidden_size"], values["num_attention_heads"])
    types = content.get("layer_types")
    if content["model_type"] == "ministral" and types is not None:
        values["sliding_window"] = _windows_by_layer(types, values)
    config = MistralConfig(
        **{_FIELDS[key]: value for key, value in values.items()}, head_dim=head_dim, rope_theta=as_float(theta)
    )
    _check_layer_types(types, config)
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


def _foreign(content: Mapping[str, Any]) -> list[str]:
    """Sentences on what makes a `config.json` another network than Mistral's."""
    problems = []
    kind = content.get("model_type")
    if not isinstance(kind, str) or kind not in _FAMILY:
        problems.append(f"model_type is {brief(kind)}, only {', '.join(map(repr, _FAMILY))} can be run")
    architectures = content.get("architectures")
    wanted, _ = _FAMILY.get(str(kind), _FAMILY["mistral"])
    if architectures not in (None, [wanted]):
        problems.append(f"architectures is {brief(architectures)}, only {wanted!r} can be run")
    if kind == "llama" and content.get("sliding_window") is not None:
        problems.append(f"sliding_window is {brief(content['sliding_window'])}, and Llama has none: it must be null")
    for key, (value, why) in _MUST_BE.items():
        if key in content and content[key] != value:
            problems.append(f"{key} is {brief(content[key])}, but must be {value!r}: {why}")
    scaling = content.get("rope_scaling")
    if scaling is not None and not _is_default_rope(scaling):
        problems.append(f"rope_scaling is {brief(scaling)}, but Mistral's angles are not scaled: it must be null")
    known = set(_FIELDS) | _NO_EFFECT | _SAID | set(_MUST_BE)
    known |= {"head_dim", "layer_types", "rope_theta", "rope_parameters", "rope_scaling"}
    if unknown := sorted(set(content) - known):
        problems.append(f"unknown keys {named(unknown)}: remove them only if they do not change the network")
    return problems


def _is_default_rope(value: object) -> bool:
    if not isinstance(value, Mapping) or set(value) - _ROPE_KEYS:
        return False
    kinds = [value.get("rope_type", "default"), value.get("type", "default")]
    return kinds == ["default", "default"] and value.get("partial_rotary_factor", 1) == 1


def _rope_theta(content: Mapping[str, Any], problems: list[str]) -> tuple[Any, tuple[str, ...]]:
    """The rotary base from the places where the versions of transformers put it, and notices; adds to `problems`."""
    nested = content.get("rope_parameters")
    if nested is not None and not _is_default_rope(nested):
        problems.append(
            f"rope_parameters is {brief(nested)}, but Mistral's angles are not scaled: rope_type must be default"
        )
    places = [content, nested, content.get("rope_scaling")]
    named = [place.get("rope_theta") for place in places if isinstance(place, Mapping)]
    given = [theta for theta in named if theta is not None]  # version 5 leaves null beside the nested value
    if any(value != given[0] for value in given):
        problems.append(f"rope_theta is given as {' and as '.join(map(brief, given))}: keep one of them")
    if given:
        return given[0], ()
    return V01_ROPE_THETA, (f"config.json names no rope_theta; taking {V01_ROPE_THETA:g}, transformers' default",)


def _divided(width: object, heads: object) -> int:
    """The head width that a missing `head_dim` stands for."""
    if not isinstance(width, int) or not isinstance(heads, int) or heads < 1 or width % heads:
        raise CheckpointError(
            f"config.json has no head_dim, hidden_size {brief(width)} and num_attention_heads {brief(heads)}; "
            f"the second must divide the first, or head_dim must be given"
        )
    return width // heads


def _windows_by_layer(types: object, values: Mapping[str, Any]) -> Window | tuple[Window, ...]:
    """The window of each layer, where the file says which have one."""
    kinds = {"full_attention": None, "sliding_attention": values["sliding_window"]}
    if not isinstance(types, list) or len(types) != values["num_hidden_layers"] or not {*map(str, types)} <= set(kinds):
        raise CheckpointError(
            f"config.json has layer_types {brief(types)} for {brief(values['num_hidden_layers'])} layers; each must be "
            f"{' or '.join(map(repr, kinds))}, and there must be one for each layer"
        )
    windows = tuple(kinds[kind] for kind in types)
    return windows if len(set(windows)) > 1 else windows[0]


def _check_layer_types(layer_types: object, config: MistralConfig) -> None:
    wanted = ["full_attention" if window is None else "sliding_attention" for window in config.windows]
    if layer_types is not None and layer_types != wanted:
        raise CheckpointError(
            f"config.json has layer_types {brief(layer_types)}, which contradict sliding_window "
            f"{brief(config.sliding_window)}; "
            f"transformers' Mistral gives every layer that window, so they would have to be {wanted[0]!r} throughout"
        )
