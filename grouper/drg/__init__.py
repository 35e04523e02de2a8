"""grouper/drg."""
