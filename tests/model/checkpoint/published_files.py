"""Configurations as they were published, key for key: whose each is, and what is known of it from elsewhere.

Written from the files that lie beside the weights on the publishers' pages. Parameters are those that the publishers'
pages count in the weight files themselves; bytes of keys and values a token, in fp16, are widely quoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

KIB = 2**10


@dataclass(frozen=True)
class Known:
    """A published file and what it must come out as.

    Attributes:
        content: of the file. parameters: of the model. per_token: bytes of keys and values in fp16.
        windows: of each layer, in words that `windows_in_words` gives. trained: tokens.
    """

    content: dict[str, Any]
    parameters: int
    per_token: int
    windows: str
    trained: int | None


_TRANSFORMERS = {
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "rms_norm_eps": 1e-05,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
}
_MISTRAL = {
    **_TRANSFORMERS,
    "architectures": ["MistralForCausalLM"],
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "model_type": "mistral",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
}
_LLAMA = {
    **_TRANSFORMERS,
    "architectures": ["LlamaForCausalLM"],
    "bos_token_id": 1,
    "eos_token_id": 2,
    "model_type": "llama",
    "pretraining_tp": 1,
    "rope_scaling": None,
    "torch_dtype": "float16",
    "vocab_size": 32000,
}
_LLAMA_2_7B = {
    **_LLAMA,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "max_position_embeddings": 4096,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 32,
    "transformers_version": "4.31.0.dev0",
}
_MINISTRAL = {
    **_MISTRAL,
    "attention_dropout": 0.0,
    "head_dim": 128,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "rope_theta": 100000000.0,
    "sliding_window": 32768,
    "vocab_size": 131072,
}
ALL = "none: every layer sees all earlier tokens"
W4096 = "4,096 in each of 32 layers"

CONFIG_JSON = {
    # mistralai/Mistral-7B-v0.1, September 2023
    "Mistral 7B v0.1": Known(
        {
            **_MISTRAL,
            "rope_theta": 10000.0,
            "sliding_window": 4096,
            "transformers_version": "4.34.0.dev0",
            "vocab_size": 32000,
        },
        7_241_732_096, 128 * KIB, W4096, 32768,
    ),
    # mistralai/Mistral-7B-Instruct-v0.1, September 2023
    "Mistral 7B Instruct v0.1": Known(
        {**_MISTRAL, "rope_theta": 10000.0, "sliding_window": 4096, "vocab_size": 32000, "attention_dropout": 0.0},
        7_241_732_096, 128 * KIB, W4096, 32768,
    ),
    # the base weights of Mistral 7B v0.2 in Hugging Face's layout, March 2024: no window, another rotary base
    "Mistral 7B v0.2": Known(
        {**_MISTRAL, "rope_theta": 1000000.0, "sliding_window": None, "vocab_size": 32000, "attention_dropout": 0.0},
        7_241_732_096, 128 * KIB, ALL, 32768,
    ),
    # mistralai/Mistral-7B-Instruct-v0.2, December 2023
    "Mistral 7B Instruct v0.2": Known(
        {
            **_MISTRAL,
            "attention_dropout": 0.0,
            "rope_theta": 1000000.0,
            "sliding_window": None,
            "transformers_version": "4.36.0",
            "vocab_size": 32000,
        },
        7_241_732_096, 128 * KIB, ALL, 32768,
    ),
    # mistralai/Mistral-7B-v0.3, May 2024
    "Mistral 7B v0.3": Known(
        {
            **_MISTRAL,
            "attention_dropout": 0.0,
            "rope_theta": 1000000.0,
            "sliding_window": None,
            "transformers_version": "4.42.0.dev0",
            "vocab_size": 32768,
        },
        7_248_023_552, 128 * KIB, ALL, 32768,
    ),
    # mistralai/Mistral-7B-Instruct-v0.3, May 2024
    "Mistral 7B Instruct v0.3": Known(
        {**_MISTRAL, "attention_dropout": 0.0, "rope_theta": 1000000.0, "sliding_window": None, "vocab_size": 32768},
        7_248_023_552, 128 * KIB, ALL, 32768,
    ),
    # mistralai/Mistral-Nemo-Base-2407, July 2024: a head is narrower than hidden_size / heads = 160
    "Mistral Nemo 12B": Known(
        {
            **_MISTRAL,
            "_name_or_path": "mistralai/Mistral-Nemo-Base-2407",
            "attention_dropout": 0.0,
            "head_dim": 128,
            "hidden_size": 5120,
            "max_position_embeddings": 128000,
            "num_hidden_layers": 40,
            "rope_theta": 1000000.0,
            "sliding_window": None,
            "transformers_version": "4.43.3",
            "vocab_size": 131072,
        },
        12_247_782_400, 160 * KIB, ALL, 128000,
    ),
    # mistralai/Ministral-8B-Instruct-2410 as it was first published, October 2024: one window for all layers
    "Ministral 8B": Known(
        {**_MINISTRAL, "transformers_version": "4.46.0.dev0"},
        8_019_808_256, 144 * KIB, "32,768 in each of 36 layers", 32768,
    ),
    # the same with the layers' kinds, as transformers' Ministral (4.57 and later) takes them
    "Ministral 8B by layer": Known(
        {
            **_MINISTRAL,
            "architectures": ["MinistralForCausalLM"],
            "model_type": "ministral",
            "layer_types": ["full_attention", *["sliding_attention"] * 3] * 9,
        },
        8_019_808_256, 144 * KIB, "none, 32,768, 32,768, 32,768, and so on: 9 times in 36 layers", 32768,
    ),
    # meta-llama/Llama-2-7b-hf, July 2023: its rotary base is transformers' default
    "Llama 2 7B": Known(
        {**_LLAMA_2_7B, "_name_or_path": "meta-llama/Llama-2-7b-hf"}, 6_738_415_616, 512 * KIB, ALL, 4096
    ),
    # meta-llama/Llama-2-13b-hf
    "Llama 2 13B": Known(
        {
            **_LLAMA_2_7B,
            "_name_or_path": "meta-llama/Llama-2-13b-hf",
            "hidden_size": 5120,
            "intermediate_size": 13824,
            "num_attention_heads": 40,
            "num_hidden_layers": 40,
            "num_key_value_heads": 40,
        },
        13_015_864_320, 800 * KIB, ALL, 4096,
    ),
    # meta-llama/Llama-2-70b-hf, the one of the three with grouped queries
    "Llama 2 70B": Known(
        {
            **_LLAMA_2_7B,
            "_name_or_path": "meta-llama/Llama-2-70b-hf",
            "hidden_size": 8192,
            "intermediate_size": 28672,
            "num_attention_heads": 64,
            "num_hidden_layers": 80,
            "num_key_value_heads": 8,
        },
        68_976_648_192, 320 * KIB, ALL, 4096,
    ),
    # codellama/CodeLlama-7b-hf, August 2023: sixteen tokens more, another rotary base, longer texts
    "Code Llama 7B": Known(
        {
            **{key: value for key, value in _LLAMA_2_7B.items() if key != "rope_scaling"},
            "max_position_embeddings": 16384,
            "rope_theta": 1000000,
            "torch_dtype": "bfloat16",
            "transformers_version": "4.32.0.dev0",
            "vocab_size": 32016,
        },
        6_738_546_688, 512 * KIB, ALL, 16384,
    ),
    # TinyLlama/TinyLlama-1.1B-Chat-v1.0, December 2023
    "TinyLlama 1.1B": Known(
        {
            **_LLAMA,
            "attention_bias": False,
            "hidden_size": 2048,
            "intermediate_size": 5632,
            "max_position_embeddings": 2048,
            "num_attention_heads": 32,
            "num_hidden_layers": 22,
            "num_key_value_heads": 4,
            "rope_theta": 10000.0,
            "torch_dtype": "bfloat16",
            "transformers_version": "4.35.0",
        },
        1_100_048_384, 22 * KIB, ALL, 2048,
    ),
    # HuggingFaceTB/SmolLM2-135M, November 2024: tied embeddings, nine heads
    "SmolLM2 135M": Known(
        {
            **_LLAMA,
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "hidden_size": 576,
            "initializer_range": 0.041666666666666664,
            "intermediate_size": 1536,
            "is_llama_config": True,
            "max_position_embeddings": 8192,
            "mlp_bias": False,
            "num_attention_heads": 9,
            "num_hidden_layers": 30,
            "num_key_value_heads": 3,
            "rope_interleaved": False,
            "rope_theta": 100000,
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
            "transformers_version": "4.40.1",
            "vocab_size": 49152,
        },
        134_515_008, 22.5 * KIB, ALL, 8192,
    ),
}  # fmt: skip
PARAMS_JSON = {
    # Mistral 7B v0.1 in Mistral's own layout: no rotary base
    "Mistral 7B v0.1": Known(
        {
            "dim": 4096,
            "n_layers": 32,
            "head_dim": 128,
            "hidden_dim": 14336,
            "n_heads": 32,
            "n_kv_heads": 8,
            "norm_eps": 1e-05,
            "sliding_window": 4096,
            "vocab_size": 32000,
        },
        7_241_732_096, 128 * KIB, W4096, None,
    ),
    # mistralai/Mistral-Nemo-Base-2407 in Mistral's own layout
    "Mistral Nemo 12B": Known(
        {
            "dim": 5120,
            "n_layers": 40,
            "head_dim": 128,
            "hidden_dim": 14336,
            "n_heads": 32,
            "n_kv_heads": 8,
            "norm_eps": 1e-05,
            "rope_theta": 1000000.0,
            "vocab_size": 131072,
        },
        12_247_782_400, 160 * KIB, ALL, None,
    ),
}  # fmt: skip

_LLAMA_3 = {
    **_LLAMA,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 128000,
    "eos_token_id": 128001,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "mlp_bias": False,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "rope_theta": 500000.0,
    "vocab_size": 128256,
}
REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    # meta-llama/Llama-3.1-8B, July 2024: slow rotary angles are scaled
    "Llama 3.1 8B": (
        {
            **_LLAMA_3,
            "rope_scaling": {
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
                "rope_type": "llama3",
            },
        },
        ("rope_scaling",),
    ),
    # mistralai/Mixtral-8x7B-v0.1, December 2023: a mixture of experts
    "Mixtral 8x7B": (
        {
            **_MISTRAL,
            "architectures": ["MixtralForCausalLM"],
            "attention_dropout": 0.0,
            "model_type": "mixtral",
            "num_experts_per_tok": 2,
            "num_local_experts": 8,
            "output_router_logits": False,
            "rope_theta": 1000000.0,
            "router_aux_loss_coef": 0.02,
            "sliding_window": None,
            "vocab_size": 32000,
        },
        ("model_type", "architectures", "num_experts_per_tok", "num_local_experts"),
    ),
    # Qwen/Qwen2-7B, June 2024: its projections have biases, which follow from the architecture without a key
    "Qwen2 7B": (
        {
            **_TRANSFORMERS,
            "architectures": ["Qwen2ForCausalLM"],
            "attention_dropout": 0.0,
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "max_position_embeddings": 131072,
            "max_window_layers": 28,
            "model_type": "qwen2",
            "num_attention_heads": 28,
            "num_hidden_layers": 28,
            "num_key_value_heads": 4,
            "rms_norm_eps": 1e-06,
            "rope_theta": 1000000.0,
            "sliding_window": 131072,
            "use_sliding_window": False,
            "vocab_size": 152064,
        },
        ("model_type", "architectures", "max_window_layers"),
    ),
    # a Llama with the biases of a Qwen2: there they are a key
    "Llama with biases": ({**_LLAMA_3, "attention_bias": True}, ("attention_bias",)),
    # google/gemma-2b, February 2024
    "Gemma 2B": (
        {
            **_TRANSFORMERS,
            "architectures": ["GemmaForCausalLM"],
            "attention_bias": False,
            "head_dim": 256,
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_activation": None,
            "hidden_size": 2048,
            "intermediate_size": 16384,
            "max_position_embeddings": 8192,
            "model_type": "gemma",
            "num_attention_heads": 8,
            "num_hidden_layers": 18,
            "num_key_value_heads": 1,
            "rms_norm_eps": 1e-06,
            "rope_scaling": None,
            "rope_theta": 10000.0,
            "vocab_size": 256000,
        },
        ("model_type", "architectures", "hidden_act"),
    ),
    # Gemma's activation alone
    "Gemma's activation": ({**_LLAMA_3, "hidden_act": "gelu_pytorch_tanh"}, ("hidden_act",)),
    # mistralai/Mixtral-8x7B-v0.1 in Mistral's own layout
    "Mixtral 8x7B, params.json": (
        {
            **PARAMS_JSON["Mistral 7B v0.1"].content,
            "sliding_window": None,
            "moe": {"num_experts_per_tok": 2, "num_experts": 8},
        },
        ("moe",),
    ),
}
