"""Ground truth: reading rendered passes, camera geometry, and checks of both."""
