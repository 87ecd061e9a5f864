"""The language and the decisions: what to run, how a release decides and routes, what was seen. Pure."""
