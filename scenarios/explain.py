"""A plan in words and as data, without running it."""

from collections.abc import Iterator
from dataclasses import fields
from enum import StrEnum
from typing import Any

from scenarios.codec import encode_action, encode_route
from scenarios.plan import OnDeadline, Plan, Stage, Until
from scenarios.units import write_duration


def prose(name: str, plan: Plan) -> str:
    """The plan as a numbered text, each stage with its way back."""
    pools = ", ".join(f"{pods} pods in {pool}" for pool, pods in plan.start)
    head = [f"{name}: at first {pools}, all stable; users come via {plan.via}, to {plan.route}."]
    return "\n".join([*head, *_stages(plan)])


def _stages(plan: Plan) -> Iterator[str]:
    told: tuple[Stage, ...] = ()
    for number, stage in enumerate(plan.stages, 1):
        yield f"{number:>2}. {stage.name}"
        yield from (f"      {line}" for line in _lines(stage))
        if stage.undo == told and told:
            yield "      way back: the same"
        elif stage.undo:
            yield "      way back:"
            for place, back in enumerate(stage.undo):
                yield f"        {'abcdefgh'[place % 8]}. {back.name}"
                yield from (f"           {line}" for line in _lines(back))
        told = stage.undo


def _lines(stage: Stage) -> Iterator[str]:
    for timed in stage.enter:
        yield f"do: {timed.action}" + (f", after {write_duration(timed.after)}" if timed.after else "")
    for condition in stage.until:
        yield f"until: {condition}"
    if stage.guards:
        names = ", ".join(stage.guards)
        if stage.pages is None:
            yield f"at once back if a guard fails: {names}"
        else:
            yield f"if a guard fails, {stage.pages} is called, who goes back: {names}"
    then = "go back" if stage.on_deadline is OnDeadline.UNDO and stage.undo else "stay there (stuck)"
    if stage.deadline is not None:
        yield f"after {write_duration(stage.deadline)}: {then}"
    for condition in stage.given_up:
        yield f"if {condition}: {then}"


def as_data(plan: Plan) -> dict[str, Any]:
    """The plan as JSON-able data; durations in seconds."""
    return {
        "start": [{"pool": pool, "pods": pods} for pool, pods in plan.start],
        "route": encode_route(plan.route),
        "via": plan.via,
        "promotes": plan.promotes,
        "stages": [_stage(stage) for stage in plan.stages],
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "enter": [{"after": timed.after, **encode_action(timed.action)} for timed in stage.enter],
        "until": [_condition(condition) for condition in stage.until],
        "guards": list(stage.guards),
        "pages": stage.pages,
        "deadline": stage.deadline,
        "given_up": [_condition(condition) for condition in stage.given_up],
        "on_deadline": str(stage.on_deadline),
        "undo": [_stage(back) for back in stage.undo],
    }


def _condition(condition: Until) -> dict[str, Any]:
    content = {field.name: getattr(condition, field.name) for field in fields(condition)}
    content = {name: str(value) if isinstance(value, StrEnum) else value for name, value in content.items()}
    content = {name: list(value) if isinstance(value, tuple) else value for name, value in content.items()}
    return {type(condition).__name__.lower(): content}
