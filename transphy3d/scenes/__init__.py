"""Scenes as data: what is sampled from a job, the geometry it means, and the camera on it."""
