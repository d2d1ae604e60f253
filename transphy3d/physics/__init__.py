"""From a sampled scene to objects at rest."""
