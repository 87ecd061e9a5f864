"""What a release may ask for, routes and actions, as plain JSON and back. Every type is written out."""

from typing import Literal

from scenarios.decode import Json, RecordError, at, each, maybe, number, one_key, one_of, shown, text, whole
from scenarios.plan import (
    Action,
    ByReplicas,
    Call,
    Command,
    Match,
    Route,
    Rules,
    Scale,
    SetRoute,
    SetVersion,
    Split,
    Sticky,
    Update,
    Verb,
)
from scenarios.semantics.deployment_spec import Recreate, RollingUpdate


def encode_route(route: Route) -> Json:
    """A route under one key that names its kind."""
    match route:
        case Split(to):
            return {"split": [[pool, float(share)] for pool, share in to]}
        case ByReplicas(pools):
            return {"by_replicas": list(pools)}
        case Rules():
            return {"rules": _encode_rules(route)}


def decode_route(value: Json) -> Route:
    """The route of `encode_route`."""
    kind, content = one_key(value, "split", "by_replicas", "rules")
    if kind == "rules":
        return _decode_rules(content)
    if kind == "split":
        pairs = each(content, _pair)
        try:
            return Split(pairs)
        except ValueError as error:
            raise RecordError(f"split: {error}") from None
    return ByReplicas(each(content, text))


def _encode_rules(route: Rules) -> Json:
    mirror = None if route.mirror is None else [route.mirror[0], float(route.mirror[1])]
    rules = [
        {"kind": m.kind, "name": m.name, "value": m.value, "pattern": m.pattern, "to": pool}
        for m, pool in route.rules
    ]
    return {
        "otherwise": encode_route(route.otherwise),
        "rules": rules,
        "sticky": route.sticky.value,
        "mirror": mirror,
    }


def _decode_rules(value: Json) -> Rules:
    otherwise = at(value, "otherwise", decode_route)
    if isinstance(otherwise, Rules):
        raise RecordError("otherwise: expected a split or by_replicas")
    return Rules(
        otherwise,
        at(value, "rules", lambda rules: each(rules, _decode_rule)),
        at(value, "sticky", one_of(Sticky)),
        at(value, "mirror", maybe(_pair)),
    )


def _decode_rule(value: Json) -> tuple[Match, str]:
    kind = at(value, "kind", text)
    if kind not in ("header", "cookie"):
        raise RecordError(f"kind: expected header or cookie, not {shown(kind)}")
    carried: Literal["header", "cookie"] = "header" if kind == "header" else "cookie"
    found = at(value, "value", maybe(text)), at(value, "pattern", maybe(text))
    return Match(carried, at(value, "name", text), *found), at(value, "to", text)


def _pair(value: Json) -> tuple[str, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise RecordError(f"expected a pool and its share, not {shown(value)}")
    return text(value[0]), number(value[1])


def encode_action(action: Action) -> Json:
    """An action under one key that names its kind."""
    match action:
        case Scale(pool, pods):
            return {"scale": {"pool": pool, "pods": int(pods)}}
        case SetVersion():
            return {"set_version": _encode_set_version(action)}
        case SetRoute(entry, route):
            return {"set_route": {"entry": entry, "route": encode_route(route)}}
        case Command(verb, pool):
            return {"command": {"verb": verb.value, "pool": pool}}
        case Call(operator, about):
            return {"call": {"operator": operator, "about": about}}


def decode_action(value: Json) -> Action:
    """The action of `encode_action`."""
    kind, content = one_key(value, "scale", "set_version", "set_route", "command", "call")
    if kind == "scale":
        return Scale(at(content, "pool", text), at(content, "pods", whole))
    if kind == "set_version":
        return _decode_set_version(content)
    if kind == "command":
        return Command(at(content, "verb", one_of(Verb)), at(content, "pool", text))
    if kind == "call":
        return Call(at(content, "operator", text), at(content, "about", text))
    return SetRoute(at(content, "entry", text), at(content, "route", decode_route))


def _encode_set_version(action: SetVersion) -> Json:
    return {
        "pool": action.pool,
        "version": action.version,
        "update": _encode_update(action.update),
        "min_ready": None if action.min_ready is None else float(action.min_ready),
        "progress_deadline": float(action.progress_deadline),
    }


def _decode_set_version(value: Json) -> SetVersion:
    return SetVersion(
        at(value, "pool", text),
        at(value, "version", text),
        at(value, "update", _decode_update),
        at(value, "min_ready", maybe(number)),
        at(value, "progress_deadline", number),
    )


def _encode_update(update: Update) -> Json:
    if isinstance(update, Recreate):
        return {"recreate": {}}
    return {"rolling_update": {"surge": update.surge, "unavailable": update.unavailable}}


def _decode_update(value: Json) -> Update:
    kind, content = one_key(value, "rolling_update", "recreate")
    if kind == "recreate":
        return Recreate()
    surge, unavailable = at(content, "surge", _count_or_share), at(content, "unavailable", _count_or_share)
    try:
        return RollingUpdate(surge, unavailable)
    except ValueError as error:
        raise RecordError(f"rolling_update: {error}") from None


def _count_or_share(value: Json) -> int | str:
    return value if isinstance(value, str) else whole(value)
