"""The connectors that ship with the engine: one file each, loaded when a pipeline names them."""
