"""The engine with its settling switched off: the control of the kill test."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine import app
from engine.cli.main import main

made = app._runtime
app._runtime = lambda *arguments: replace(made(*arguments), settling=False)

if __name__ == "__main__":
    sys.exit(main())
