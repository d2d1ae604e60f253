"""Assets: procedural families and meshes, as closed solids with convex pieces for physics."""
