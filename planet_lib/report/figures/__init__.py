"""The report's figures: each function takes tables or arrays and returns a matplotlib Figure."""
