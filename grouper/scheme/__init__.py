"""grouper/scheme."""
