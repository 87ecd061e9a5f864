"""The language and the decisions: what to run, how a release decides, how requests are routed, what was seen. Pure."""
