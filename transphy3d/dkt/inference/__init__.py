"""Videos to depth, normals and points."""
