"""What others' controllers and routers really do, as pure functions; each names its upstream source."""
