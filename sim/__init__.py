"""A world that obeys: SimPy runs the control plane, a compiled kernel the requests. Never imports live or reports."""
