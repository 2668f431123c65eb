"""Integration Engine: YAML pipelines, checked before they run, delivered without loss."""

__version__ = "0.1.0"
