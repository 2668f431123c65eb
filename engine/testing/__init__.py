"""Tests of pipelines: each runs the compiled pipeline in the real runtime, and nothing leaves the process.

``bench`` makes one test ready, ``running`` runs it, ``judging`` compares what came of it with what it expects,
``suite`` does so for many, ``updating`` writes expectations, ``coverage`` says what no test took, ``recording`` makes a
test of a real run. Import from the modules, nothing is imported here.
"""
