"""Replica arithmetic of Argo Rollouts: argoproj/argo-rollouts 9f8d111d, `utils/replicaset/canary.go`."""

import math
from fractions import Fraction


def canary_replicas(share: float, replicas: int, surge: int = 1) -> tuple[int, int]:
    """Pods (canary, stable) that come nearest to a share of traffic when every pod gets alike.

    Source: approximateWeightedCanaryStableReplicaCounts. One pod more than `replicas` may be used where
    `surge` allows it; a share strictly between 0 and 1 keeps at least one pod on each side if `replicas` ≥ 2
    or surge.
    """
    if replicas == 0:
        return 0, 0
    weight = Fraction(share).limit_denominator(10**6)
    zero_ok = weight in (0, 1) or (replicas == 1 and surge == 0)
    wanted = weight * replicas
    up, down = math.ceil(wanted), math.floor(wanted)
    candidates: list[tuple[int, int]] = []
    if up < replicas or zero_ok:
        candidates.append((up, replicas))
    if wanted % 1 != Fraction(1, 2) and (down != 0 or zero_ok):
        candidates.append((down, replicas))
    if surge > 0:
        candidates.append((up, replicas + 1))
        if (weight * (replicas + 1)) % 1 != Fraction(1, 2) and (down != 0 or zero_ok):
            candidates.append((down, replicas + 1))
    if not candidates:
        # 2 pods, 75 %, no surge: upstream gives 0 and says that it should not come here; one on each side is
        # what its own rule wants
        return (down, replicas - down) if down else (0, replicas)
    canary, total = min(candidates, key=lambda c: abs(Fraction(c[0], c[1]) - weight))
    return canary, total - canary
