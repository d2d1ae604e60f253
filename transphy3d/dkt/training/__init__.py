"""Clips, the training loop, what a run keeps and shows, and what it hands on."""
