"""`python -m tinygrad_cnn`: the command line, where the script `tinygrad-cnn` is not on the path."""

from __future__ import annotations

import sys

from tinygrad_cnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
