"""Measurements: pure functions of a configuration, a Trace or a model; each file names its formula.

What is so by formula:      `accounting.py` parameters and bytes, `reach.py` who can be reached, and cut edges
Attention, from a Trace:    `heads.py` what each head looks at, `flow.py` several layers together
The residual stream:        `stream.py` what was added to it, `logit_lens.py` what each layer would say,
                            `attribution.py` what each part adds to a logit, `patched_cell.py` one cell of another text
A change and its effect:    `influence.py` where one is felt, `gradients.py` what passes through each cell,
                            `distance.py` how far over many words
A word and its swap:        `swap.py` one measurement, `push_back.py` further and further away,
                            `forgotten.py` after it has left every ring, `example.py` the strongest of many,
                            `cases.py` the sentences
Attention against effect:   `disagreement.py`
The window, measured:       `countable.py` by hand, `mask_reading.py` scores that are masked, `four_ways.py` against a
                            cut text, `imposed_window.py` without training, `chunked.py` chunks and their order,
                            `allocations.py` bytes, `padding.py` batches, `published_windows.py` other families
Inside a block:             `inside.py` everything that a token makes, `worked.py` one number from its inputs
                            (`worked_cell.py` what that is), `score_split.py` why one attention score
Quality:                    `evaluation.py` bits per byte, `relay.py` symbols handed on
And `progress.py`, how a long measurement says how far it is.
"""
