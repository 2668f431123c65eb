"""The heart: reader, stages, delivery, ledger, settle; one run from start to end."""
