"""The farm: units of work, tries, and the engine that works them off."""
