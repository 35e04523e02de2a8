"""engine/settlement."""
