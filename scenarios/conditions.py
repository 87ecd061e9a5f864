"""What a stage waits for, and whether it is there: one question to a state and an observation each. Pure."""

from dataclasses import replace

from scenarios.conversion import verdict
from scenarios.guard import Judgement
from scenarios.observe import Observation, PoolSeen
from scenarios.plan import (
    Approved,
    Call,
    Counted,
    Elapsed,
    Gone,
    OnInconclusive,
    Overdue,
    Passed,
    Ready,
    Routed,
    Stage,
    Until,
    Wins,
)
from scenarios.progress import State, action_id


def answered(stage: Stage, state: State) -> bool:
    return len(state.asked) == len(stage.enter) and state.done >= state.asked


def waited(stage: Stage, state: State, seen: Observation) -> bool:
    """Whether nothing but a judgement is missing: actions are answered, pods and routes there, time is up."""
    waits = (c for c in stage.until if not isinstance(c, Passed | Approved | Counted | Wins))
    return answered(stage, state) and all(holds(c, stage, state, seen) for c in waits)


def holds_all(stage: Stage, state: State, seen: Observation) -> bool:
    """Every action was asked for and answered, and every condition holds."""
    return answered(stage, state) and all(holds(condition, stage, state, seen) for condition in stage.until)


def _ready(pool: PoolSeen | None) -> bool:
    if pool is None:
        return False
    existing = sum(counts[0] for counts in pool.pods.values())
    _, _, available = pool.pods.get(pool.version, (0, 0, 0))
    return existing == pool.desired == available


def _gone(pool: PoolSeen | None) -> bool:
    return pool is None or (not pool.terminating and not any(c[0] for c in pool.pods.values()))


def said(name: str, state: State) -> Judgement | None:
    """The guard's latest judgement of a window that ended in this stage; None if there was none."""
    judged = (state.judged or {}).get(name)
    return judged.judgement if judged is not None and judged.taken_at > state.entered_at else None


def _passed(condition: Passed, state: State) -> bool:
    good = [Judgement.PASS]
    good += [Judgement.INCONCLUSIVE] if condition.inconclusive is OnInconclusive.PROCEED else []
    return all(said(name, state) in good for name in condition.guards)


def _approved(stage: Stage, state: State, seen: Observation) -> bool:
    """Whether every call of this stage was answered by an approval."""
    calls = (action_id(state, i) for i, timed in enumerate(stage.enter) if isinstance(timed.action, Call))
    return all(call in seen.approved for call in calls)


def holds(condition: Until, stage: Stage, state: State, seen: Observation) -> bool:
    match condition:
        case Ready(pool):
            return _ready(seen.pools.get(pool))
        case Gone(pool):
            return _gone(seen.pools.get(pool))
        case Routed():
            return seen.routed
        case Elapsed(seconds):
            return seen.t >= state.entered_at + seconds
        case Passed():
            return _passed(condition, state)
        case Overdue(pool):
            return pool in seen.pools and seen.pools[pool].overdue
        case Approved():
            return _approved(stage, state, seen)
        case Counted():
            return seen.groups is not None
        case Wins(alpha, expected):
            return seen.groups is not None and verdict(seen.groups, alpha, expected) is None


def count_pods(stage: Stage, state: State, seen: Observation) -> State:
    """Note that more pods than ever in this stage are available; the stage then moves again.

    Only once its actions are answered: before that, the pods are those of the template to be replaced.
    """
    if len(state.done) < len(stage.enter):
        return state
    pools = [seen.pools[c.pool] for c in stage.until if isinstance(c, Ready) and c.pool in seen.pools]
    available = sum(pool.pods.get(pool.version, (0, 0, 0))[2] for pool in pools)
    if available <= state.available:
        return state
    stuck_at = None if stalled(stage, state, seen) else state.stuck_at
    return replace(state, available=available, grown_at=seen.t, stuck_at=stuck_at)


def stalled(stage: Stage, state: State, seen: Observation) -> bool:
    """Whether a stage that waits for pods has long seen no more of them, or got no further with all there."""
    if not any(isinstance(condition, Ready) for condition in stage.until):
        return False
    held = held_until(stage, state) if _all_ready(stage, state, seen) else state.entered_at
    return seen.t >= max(state.grown_at, held) + stage.stalls_after


def held_until(stage: Stage, state: State) -> float:
    """When the time that the stage waits on purpose is over."""
    held = max((c.seconds for c in stage.until if isinstance(c, Elapsed)), default=0.0)
    return state.entered_at + held


def _all_ready(stage: Stage, state: State, seen: Observation) -> bool:
    return all(
        holds(condition, stage, state, seen) for condition in stage.until if isinstance(condition, Ready)
    )


def waiting_for(stage: Stage, state: State, seen: Observation) -> str:
    if not _all_ready(stage, state, seen):
        return "no more pods became available"
    missing = (str(condition) for condition in stage.until if not holds(condition, stage, state, seen))
    return "still waiting until " + "; ".join(missing)
