"""The report's figures: functions that take tables or arrays and return a matplotlib Figure."""
