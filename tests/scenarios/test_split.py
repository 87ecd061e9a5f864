"""Planning a split's check: the textbook's numbers, and what they mean when tried out."""

import pytest

from scenarios.split import requests_for_precision, requests_to_detect


@pytest.mark.parametrize(("share", "requests"), [(0.1, 3458), (0.5, 9604)])
def test_a_precision_of_one_point(share: float, requests: int) -> None:
    assert requests_for_precision(share, 0.01) == requests


@pytest.mark.parametrize(("actual", "requests"), [(0.15, 438), (0.12, 2523), (0.11, 9781)])
def test_telling_a_share_from_ten_per_cent(actual: float, requests: int) -> None:
    assert requests_to_detect(0.1, actual) == requests


def test_of_a_share_of_nothing_one_answer_tells() -> None:
    assert requests_to_detect(0, 0.5, power=0.9) == 4  # 1/2 ** 4 < 10 %
    assert requests_to_detect(1, 0) == 1
    assert requests_for_precision(0, 0.01) == 299  # 0.99 ** 299 < 5 %


@pytest.mark.parametrize(
    "values", [(0.1, 0.1, 0.05, 0.9), (1.1, 0.1, 0.05, 0.9), (0.1, 0.2, 0, 0.9), (0.1, 0.2, 0.05, 1)]
)
def test_what_cannot_be_planned_is_refused(values: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError):
        requests_to_detect(*values)
