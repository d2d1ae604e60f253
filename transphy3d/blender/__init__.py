"""The stage in Blender, and the worker that renders it; no other package imports bpy."""
