"""`live manifests`: what live mode cannot make is bad input, said by its key."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

Call = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("one-node", "--own-images"), "versions.stable.image: --own-images needs one"),
        (("slow-dependency",), "faults.0.slow_dependency: the demo app cannot"),
    ],
)
def test_what_cannot_be_made_is_said(called: Call, arguments: tuple[str, ...], said: str) -> None:
    answer = called("live", "manifests", *arguments)
    assert answer.code == 2
    assert said in answer.err
    assert answer.out == ""


def test_what_is_printed_is_yaml_of_one_namespace(called: Call) -> None:
    answer = called("live", "manifests", "one-node")
    kinds = {one["kind"] for one in yaml.safe_load_all(answer.out)}
    assert answer.code == 0
    assert {"Deployment", "Service", "ConfigMap", "ResourceQuota"} <= kinds
