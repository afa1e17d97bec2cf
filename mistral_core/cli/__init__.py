"""The command line: `main.py` is `python -m mistral_core`, and each of its larger commands has a file of its own.

`flags.py` holds the options that several commands have, `run.py` what they do between options and output,
`output.py` what they print.
"""
