"""Engines: ways to start agents on machines, one module each."""
