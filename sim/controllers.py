"""The Deployment controller of one pool, on its own events: sizes from `scenarios.semantics`, pods from here.

It syncs a moment after anything changed, creates and deletes pods, and reports a rollout that stopped moving.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from scenarios.draws import Purpose, u
from scenarios.plan import CANDIDATE, STABLE
from scenarios.semantics.deployment import (
    Deployment,
    Recreate,
    ReplicaSet,
    Status,
    has_timed_out,
    is_complete,
    is_polled,
    is_progressing,
    max_surge,
    status,
    sync,
)
from scenarios.semantics.deployment_status import COMPLETE
from scenarios.semantics.replica_set import Phase, PodRank, deletion_order
from sim.clock import SECOND, Clock, Order, nanoseconds
from sim.pods import Pod

REACTION = 20_000_000
"""From a change to the sync it causes: informers and queue; the first batch is out within 50 ms."""

AGAIN = 5_000_000
"""From a sync that changed something to the next; each sync does one kind of thing."""

POLLED = 100_000_000
"""From a pod's end to the sync that sees it: the report, and polls that are limited to ten a second."""

SETTLED = 3 * SECOND
"""Before the trial's traffic begins every Deployment has been complete for so long, as in a live trial."""

VERSIONS = (STABLE, CANDIDATE)


def _in_time() -> float:
    return 1.0


class PoolController:
    """Keeps a pool at its Deployment; `create(pool, version)` makes a pod, `report` tells of a phase.

    `slowness` is how many times slower than usual the API server answers now.
    """

    def __init__(
        self,
        pool: str,
        deployment: Deployment,
        seed: int,
        clock: Clock,
        create: Callable[[str, str], Pod],
        report: Callable[[], None],
        slowness: Callable[[], float] = _in_time,
    ) -> None:
        self.pool, self.deployment, self.seed, self.clock = pool, deployment, seed, clock
        self._create, self._report, self._slowness = create, report, slowness
        self.replica_sets: tuple[ReplicaSet, ...] = ()
        self.pods: list[Pod] = []
        self.overdue = self.paused = False
        self.changes = 0  # grows with everything that could be seen to change
        self._planned = self._completed = self._watching = False
        self._progressed_at = clock.now
        # since when the Progressing condition says that the rollout is complete; inf: it says something else
        self._complete_since: float = clock.now - SETTLED
        self._status = Status()

    def start(self, pods: Iterable[Pod]) -> None:
        """These pods, all of the template's version, were there before the trial."""
        self.pods = list(pods)
        n, most = self.deployment.replicas, self.deployment.replicas + max_surge(self.deployment)
        self.replica_sets = (ReplicaSet(self.deployment.version, 0, spec=n, desired=n, max_replicas=most),)
        self._refresh()
        self._status = status(self.deployment, self.replica_sets)

    def change(self, **wanted: object) -> None:
        """Somebody changed the Deployment: replicas, version, strategy …; progress is counted anew."""
        self.deployment = replace(self.deployment, **wanted)  # type: ignore[arg-type]
        self._progressed_at, self.overdue, self._completed = self.clock.now, False, False
        self._watching = False  # the deadline may have become shorter
        self.poke()

    def pause(self) -> None:
        """From now on it only scales; the controller learns of it as late as of any change."""
        self._pause(wanted=True)

    def resume(self) -> None:
        """It goes on with what its template says; progress is counted anew."""
        self._pause(wanted=False)

    def _pause(self, *, wanted: bool) -> None:
        self.paused = wanted
        self.clock.after(round(REACTION * self._slowness()), Order.CONTROLLER, self._learn_of_pause)

    def _learn_of_pause(self) -> None:
        if self.deployment.paused != self.paused:
            self.change(paused=self.paused)

    def undo(self) -> str | None:
        """Back to the template before this one; why not, where that is refused [kubectl rollout undo]."""
        if self.paused:
            return f"{self.pool} is paused, and a paused Deployment is not undone: resume it first"
        before = [rs for rs in self.replica_sets if rs.version != self.deployment.version]
        if not before:
            return f"{self.pool} has had no other template to go back to"
        self.change(version=before[-1].version)
        return None

    def poke(self) -> None:
        """Something changed: sync soon, once for all changes until then."""
        self.changes += 1
        self._plan(REACTION)

    def ended(self) -> None:
        """A pod was reported as ended: only a Recreate may care."""
        if isinstance(self.deployment.strategy, Recreate):
            self._plan(POLLED)

    def _plan(self, delay: int) -> None:
        if not self._planned:
            self._planned = True
            self.clock.after(round(delay * self._slowness()), Order.CONTROLLER, self._sync)

    def of(self, version: str) -> list[Pod]:
        """The pods of a version, terminating ones left out."""
        index = VERSIONS.index(version)
        return [pod for pod in self.pods if pod.kit.index == index and not pod.terminating]

    def _sync(self) -> None:
        self._planned = False
        self.pods = [pod for pod in self.pods if not pod.gone]
        self._refresh()
        wanted = sync(self.deployment, self.replica_sets, old_pods_running=self._old_running())
        if wanted != self.replica_sets:
            if len(wanted) > len(self.replica_sets):
                self._complete_since = math.inf  # [NewReplicaSetReason]
            self.replica_sets = wanted
            self._plan(AGAIN)  # before the pods it deletes ask for a later one
            for replica_set in wanted:
                self._resize(replica_set)
            self._refresh()
            self.changes += 1
        else:
            self._replace_lost()
        self._watch_progress()

    def _replace_lost(self) -> None:
        """The ReplicaSets make up for pods that others deleted: evicted ones, and those of a lost node."""
        short = [rs for rs in self.replica_sets if rs.created < rs.spec]
        for replica_set in short:
            self._resize(replica_set)
        if short:
            self._refresh()
            self.changes += 1

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """By version, of pods that are not terminating: existing, ready, available."""
        counts = [[0, 0, 0], [0, 0, 0]]
        for pod in self.pods:
            if not pod.terminating:
                of_version = counts[pod.kit.index]
                of_version[0] += 1
                of_version[1] += pod.ready_since is not None
                of_version[2] += pod.available_since is not None
        return {name: (n[0], n[1], n[2]) for name, n in zip(VERSIONS, counts, strict=True)}

    def _refresh(self) -> None:
        """Status fields from the pods as they are now."""
        now = self.counts()
        self.replica_sets = tuple(_with_status(rs, *now[rs.version]) for rs in self.replica_sets)

    def _old_running(self) -> bool:
        """Whether a Recreate has to wait [oldPodsRunning].

        What has ended and is still to be removed does not count, but nobody looks then unless syncs follow
        each other anyway: pods wake the controller only when the last one is gone [deletePod].
        """
        wanted = VERSIONS.index(self.deployment.version)
        since = (self.clock.now - self._complete_since) / SECOND
        polled = is_polled(self.deployment.progress_deadline, since)
        old = (pod for pod in self.pods if pod.kit.index != wanted)
        return any(not (pod.gone or (pod.ended and polled)) for pod in old)

    def _resize(self, wanted: ReplicaSet) -> None:
        pods = self.of(wanted.version)
        for _ in range(wanted.spec - len(pods)):
            self.pods.append(self._create(self.pool, wanted.version))
        if len(pods) > wanted.spec:
            for pod in self._victims(pods)[: len(pods) - wanted.spec]:
                pod.delete()

    def _victims(self, pods: list[Pod]) -> list[Pod]:
        ranks = {f"{u(self.seed, Purpose.DELETION, pod.number):.17f}": pod for pod in pods}
        order = deletion_order((_rank(uid, pod) for uid, pod in ranks.items()), self.clock.seconds)
        return [ranks[rank.uid] for rank in order]

    def _watch_progress(self) -> None:
        now = status(self.deployment, self.replica_sets)
        if is_progressing(self._status, now):
            self._progressed_at = self.clock.now
        self._status = now
        deadline = self.deployment.progress_deadline
        since = (self.clock.now - self._progressed_at) / SECOND
        # until the next change: pods that fail later are no rollout
        complete = is_complete(self.deployment.replicas, now)
        self._completed = self._completed or complete
        if complete:
            self._complete_since = min(self._complete_since, self.clock.now)
        done, paused = self._completed, self.deployment.paused  # a paused rollout is not late
        late = not paused and has_timed_out(deadline, since, COMPLETE if done else "")
        if late != self.overdue:
            self.overdue = late
            self.changes += 1
            self._report()
        if deadline is not None and not (done or late or paused or self._watching):
            # upstream looks again a second after the deadline; one look ahead is enough, it makes the next
            self._watching = True
            self.clock.at(self._progressed_at + nanoseconds(deadline) + SECOND, Order.CONTROLLER, self._look)

    def _look(self) -> None:
        self._watching = False
        self.poke()


def _with_status(rs: ReplicaSet, created: int, ready: int, available: int) -> ReplicaSet:
    if (rs.created, rs.ready, rs.available) == (created, ready, available):
        return rs
    return replace(rs, created=created, ready=ready, available=available)


def _rank(uid: str, pod: Pod) -> PodRank:
    return PodRank(
        uid,
        float(pod.created_at // SECOND),
        None if pod.ready_since is None else float(pod.ready_since // SECOND),
        assigned=pod.started,
        phase=Phase.RUNNING if pod.starts else Phase.PENDING,
        restarts=pod.restarts,
    )
