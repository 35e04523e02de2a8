"""engine/outputs."""
