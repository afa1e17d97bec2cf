"""`python -m mistral_core`: the command line."""

import sys

from mistral_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
