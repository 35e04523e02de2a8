"""engine/claims."""
