"""Public API of Rolloutlab."""
