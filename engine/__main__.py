"""``python -m engine``: the command line without an installed script."""

import sys

from engine.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
