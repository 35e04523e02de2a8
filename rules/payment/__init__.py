"""rules/payment."""
