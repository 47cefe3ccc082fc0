"""Find mines in whole scenes: from any georeferenced raster to sites on a map."""
