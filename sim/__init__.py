"""A world that obeys: SimPy runs the control plane, a compiled kernel the requests; no live, no reports."""
