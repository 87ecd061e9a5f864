"""What a release meant: figures, comparison, charts, pages. Reads records and never runs anything."""
