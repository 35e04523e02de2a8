"""engine/synthetic."""
