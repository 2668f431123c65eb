"""What is made of events: logs, progress, metrics."""
