"""Measuring a local DIP directory: base cases, groups, figures, and the sub-types of cases."""
