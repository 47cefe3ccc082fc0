"""Conclusions that the notebooks print as findings, a module for each notebook."""
