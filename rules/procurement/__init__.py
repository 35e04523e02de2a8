"""rules/procurement."""
