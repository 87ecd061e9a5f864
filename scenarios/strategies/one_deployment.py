"""Strategies that change the template of a single Deployment: its own controller does the rest."""

from typing import Literal, Self

from pydantic import Field, model_validator

from scenarios.errors import Misplaced
from scenarios.model import written
from scenarios.plan import (
    CANDIDATE,
    STABLE,
    Command,
    Elapsed,
    OnDeadline,
    Overdue,
    Plan,
    Ready,
    SetVersion,
    Stage,
    Timed,
    Update,
    Verb,
    do,
    whole,
)
from scenarios.routers import Router
from scenarios.semantics.deployment_spec import Recreate, RollingUpdate
from scenarios.semantics.first_batch import first_batch
from scenarios.strategies.base import SURGE, UNAVAILABLE, Asking, Strategy, no_pod_could_move
from scenarios.units import CountOrShare, Duration
from scenarios.version import Service


class _Undoable(Strategy):
    """A single Deployment whose template changes; what brings it back is the same change the other way."""

    rollback: Literal["undo", "stay"] = Field(
        "stay",
        description="undo: back when a guard fails or the deadline passes; stay: Kubernetes never undoes",
    )
    progress_deadline: Duration = written("10m", "Kubernetes' progressDeadlineSeconds")

    @model_validator(mode="after")
    def _guards_need_a_way_back(self) -> Self:
        if self.guards and self.rollback == "stay":
            raise Misplaced((("guards",), "a failing guard needs a way back; say rollback: undo"))
        return self

    def _plan(self, name: str, update: Update, service: Service, min_ready: float | None = None) -> Plan:
        undo = _changed("undo", SetVersion("main", STABLE, update, min_ready, self.progress_deadline))
        stage = Stage(
            name,
            do(SetVersion("main", CANDIDATE, update, min_ready, self.progress_deadline)),
            (Ready("main"),),
            self.guards,
            given_up=(Overdue("main"),),
            on_deadline=OnDeadline(self.rollback),
            stalls_after=self.progress_deadline + 60,  # the controller's own word comes first
            undo=(undo,) if self.rollback == "undo" else (),
        )
        judged = Stage("judged", (), self.passed(), self.guards, self.deadline, undo=(undo,))
        stages = (stage, judged) if self.guards else (stage,)
        return Plan((("main", service.replicas),), whole("main"), self.via, stages)


class RecreateStrategy(_Undoable):
    """Stop every old pod, then start the new ones: an outage, and no two versions side by side."""

    def draft(self, service: Service, router: Router) -> Plan:
        return self._plan("recreate", Recreate(), service)


class RollingStrategy(_Undoable):
    """Kubernetes' rolling update: pods are replaced a few at a time."""

    max_surge: CountOrShare = Field("25%", description=SURGE)
    max_unavailable: CountOrShare = Field("25%", description=UNAVAILABLE)
    min_ready: Duration | None = Field(None, description="in place of cluster.pods.min_ready")

    @model_validator(mode="after")
    def _can_move(self) -> Self:
        no_pod_could_move(self.max_surge, self.max_unavailable)
        return self

    def draft(self, service: Service, router: Router) -> Plan:
        update = RollingUpdate(self.max_surge, self.max_unavailable)
        return self._plan("rolling update", update, service, self.min_ready)


class PausedRollingStrategy(Asking):
    """A rolling update that is paused after its first pods, watched, and then resumed."""

    pause_after: Duration = written("50ms", "from the new image to `kubectl rollout pause`")
    hold: Duration = written("5m", "how long it is watched, from the new image on")
    back: Literal["finish", "resume_undo", "set_image"] = Field(
        "resume_undo",
        description="from the pause: finish the update and then undo it; resume and undo at once; "
        "or set the old image back while paused and resume",
    )
    max_surge: CountOrShare = Field("25%", description=SURGE)
    max_unavailable: CountOrShare = Field("25%", description=UNAVAILABLE)
    progress_deadline: Duration = written("10m", "Kubernetes' progressDeadlineSeconds; no time while paused")

    @model_validator(mode="after")
    def _can_move(self) -> Self:
        no_pod_could_move(self.max_surge, self.max_unavailable)
        return self

    def draft(self, service: Service, router: Router) -> Plan:
        update = RollingUpdate(self.max_surge, self.max_unavailable)
        set_image = SetVersion("main", CANDIDATE, update, progress_deadline=self.progress_deadline)
        pause, held = Timed(Command(Verb.PAUSE, "main"), self.pause_after), max(self.hold, self.pause_after)
        back = self._from_the_pause(update)
        first = Stage(
            "first pods",
            do(set_image, pause),
            (Elapsed(held), *self.passed()),
            self.guards,
            held + self.deadline,
            undo=back,
        )
        undo = (_changed("undo", Command(Verb.UNDO, "main")),)
        rest = Stage(
            "rest",
            do(Command(Verb.RESUME, "main")),
            (Ready("main"),),
            self.guards,
            given_up=(Overdue("main"),),
            stalls_after=self.progress_deadline + 60,
            undo=undo,
        )
        judged = (
            (Stage("judged", (), self.passed(), self.guards, self.deadline, undo=undo),)
            if self.guards
            else ()
        )
        stages = (first, *self.approval("the rest", back), rest, *judged)
        return Plan((("main", service.replicas),), whole("main"), self.via, stages)

    def _from_the_pause(self, update: RollingUpdate) -> tuple[Stage, ...]:
        """The way back chosen. Kubernetes refuses an undo while paused, so each resumes first or last."""
        resume, undo = Command(Verb.RESUME, "main"), Command(Verb.UNDO, "main")
        old = SetVersion("main", STABLE, update, progress_deadline=self.progress_deadline)
        ways = {
            "finish": (_changed("finish", resume), _changed("undo", undo)),
            "resume_undo": (_changed("resume and undo", resume, undo),),
            "set_image": (_changed("old image, then resume", old, resume),),
        }
        return ways[self.back]

    def notes(self, service: Service, router: Router) -> tuple[str, ...]:
        """What a paused update serves with."""
        update = RollingUpdate(self.max_surge, self.max_unavailable)
        new, pods = first_batch(update, service.replicas, self.pause_after)
        return (f"paused, it stays at {pods} pods, {new} of them new: {new / pods:.0%} of requests",)


def _changed(name: str, *actions: Command | SetVersion) -> Stage:
    """A way back by a change of the Deployment; stuck where its controller gets no further."""
    return Stage(
        name, do(*actions), (Ready("main"),), given_up=(Overdue("main"),), on_deadline=OnDeadline.STAY
    )
