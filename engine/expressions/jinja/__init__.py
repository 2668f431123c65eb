"""Jinja in its sandbox: the environment, its limits, its allow-lists, and the check before anything runs."""
