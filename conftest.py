"""What every test may use: the real peers as fixtures."""

pytest_plugins = ["tests.peers.fixtures"]
