"""Simulated time: SimPy's event queue in whole nanoseconds, with a fixed order among simultaneous events."""

import math
from collections.abc import Callable
from enum import IntEnum

import simpy

SECOND = 1_000_000_000


class Order(IntEnum):
    """What happens first at one instant."""

    FAULT = 10
    POD = 11
    ENDPOINT = 12
    CONTROLLER = 13
    SCRAPE = 14
    TICK = 15


def nanoseconds(seconds: float) -> int:
    """Seconds as the nearest whole nanoseconds."""
    return round(seconds * SECOND)


class _Call(simpy.Event):
    """An event that calls a function; triggered from the start, as SimPy's own Timeout is."""

    def __init__(self, clock: "Clock", env: simpy.Environment, call: Callable[[], None]) -> None:
        super().__init__(env)
        self._ok = True
        self._value = None
        self._clock, self._call = clock, call
        self.callbacks = [self._happen]

    def _happen(self, _: simpy.Event) -> None:
        self._clock.now = int(self.env.now)
        self._call()


class Clock:
    """The event queue of one trial. `now` is in nanoseconds after the trigger, negative while settling."""

    def __init__(self, start: int) -> None:
        self._env = simpy.Environment(start)
        self.now = start

    @property
    def seconds(self) -> float:
        """Seconds after the trigger."""
        return self.now / SECOND

    def at(self, when: int, order: Order, call: Callable[[], None]) -> None:
        """Call at `when`, or now if that has passed; among simultaneous calls by order, then first come."""
        delay = when - self.now if when > self.now else 0
        # SimPy's priorities are any integers; its type knows its own two only
        self._env.schedule(_Call(self, self._env, call), order, delay)  # type: ignore[arg-type]

    def after(self, delay: int, order: Order, call: Callable[[], None]) -> None:
        """Call `delay` nanoseconds from now."""
        self.at(self.now + delay, order, call)

    def upcoming(self) -> float:
        """When the next call is due; infinity if there is none."""
        return float(self._env.peek())

    def step(self) -> None:
        """Make the next call."""
        self._env.step()

    def run(self, until: int) -> None:
        """Make every call due up to and including `until`."""
        while self._env.peek() <= until:
            self._env.step()


def on_grid(when: float, step: int) -> int:
    """The first multiple of `step` nanoseconds at or after `when` seconds."""
    return -(-math.ceil(round(when * SECOND, 3)) // step) * step
