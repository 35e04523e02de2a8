"""grouper."""
