"""``python -m engine``: the command line without an installed script."""

from engine.cli.main import entry

if __name__ == "__main__":
    entry()
