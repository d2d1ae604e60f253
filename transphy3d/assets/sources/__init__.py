"""Where assets come from: one module a source."""
