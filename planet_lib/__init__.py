"""Find illegal gold mines in satellite chips of the Amazon."""
