"""Two environments: all users are switched from the one to the other."""

from scenarios.model import written
from scenarios.plan import (
    CANDIDATE,
    USERS,
    Elapsed,
    OnDeadline,
    Plan,
    Ready,
    Routed,
    Scale,
    SetRoute,
    SetVersion,
    Stage,
    Until,
    do,
    whole,
)
from scenarios.routers import Router
from scenarios.strategies.base import Asking, removed
from scenarios.units import Duration
from scenarios.version import Service

_STAY = OnDeadline.STAY


class BlueGreenStrategy(Asking):
    """Two environments: the new one is started beside the old, then all users are switched at once."""

    bake: Duration = written("10m", "how long everyone is on the new version before the old may go")
    keep_old: Duration = written("0s", "how long the old environment is kept after that")

    def draft(self, service: Service, router: Router) -> Plan:
        n, guards = service.replicas, self.guards
        remove_green = removed("green")
        back = (
            Stage("switch back", do(SetRoute(USERS, whole("blue"))), (Routed(USERS),), on_deadline=_STAY),
            remove_green,
        )
        restart = Stage("start blue again", do(Scale("blue", n)), (Ready("blue"),), on_deadline=_STAY)
        start = Stage(
            "start green",
            do(SetVersion("green", CANDIDATE), Scale("green", n)),
            (Ready("green"),),
            deadline=self.deadline,
            undo=(remove_green,),
        )
        switch = Stage(
            "switch to green",
            do(SetRoute(USERS, whole("green"))),
            (Routed(USERS),),
            guards,
            self.deadline,
            undo=back,
        )
        baked: tuple[Until, ...] = (Elapsed(self.bake), *self.passed())
        bake = Stage("bake", (), baked, guards, self.bake + self.deadline, undo=back)
        kept = (Stage("keep blue", (), (Elapsed(self.keep_old),), guards, undo=back),)
        remove = Stage(
            "remove blue",
            removed("blue").enter,
            removed("blue").until,
            deadline=self.deadline,
            on_deadline=_STAY,
            undo=(restart, *back),
        )
        stages = (
            start,
            *self.approval("the switch", (remove_green,)),
            switch,
            bake,
            *(kept if self.keep_old else ()),
            *self.approval("removing blue", back),
            remove,
        )
        return Plan((("blue", n),), whole("blue"), self.via, stages)
