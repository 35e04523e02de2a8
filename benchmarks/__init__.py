"""Benchmarks: speed beside rivals measured in the same run, tables generated and never typed."""
