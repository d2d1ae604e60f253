"""Predictions against truth: metrics, baselines, tables, pictures of errors."""
