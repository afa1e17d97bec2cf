"""From files to a model and back, in Mistral's layout and in Hugging Face's.

Reading order, which is the order in which a folder meets the files:

1. `registry.py`       which models are offered, and what a name may reach
2. `folder.py`         which layout, which files; what is refused
3. `configuration.py`  `params.json` and `config.json`
4. `tensors.py`        names, shapes and row order in both layouts
5. `load.py`           everything checked, then read tensor by tensor
6. `fast.py`           what makes the loaded network fast, and nothing else
7. `save.py`           the way back
8. `variants.py`       the same weights with another window, fewer layers, another dtype
9. `tokenizers.py`     whose tokenizer it is: `tokenizer_json.py` with `json_cut.py`, `tekken.py`, `gguf_tokenizer.py`
10. `chat.py`          from messages to token ids by the folder's template, which `chat_render.py` runs
11. `golden.py`        logits that another program computed, stored beside the weights
"""
