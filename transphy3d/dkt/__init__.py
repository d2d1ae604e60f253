"""Depth and normals of transparent things by a video diffusion model (arXiv 2512.23705)."""
