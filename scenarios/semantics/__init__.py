"""What controllers and routers of others really do, as pure functions; each module names the upstream source it follows."""
