"""The choices of a run."""

from itertools import islice

from atendeja import failpoints
from tests.chaos import script

NAMES = script.POINTS


def test_a_seed_repeats_the_choices_and_another_makes_others() -> None:
    assert list(islice(script.steps(7), 50)) == list(islice(script.steps(7), 50)) != list(islice(script.steps(8), 50))
    assert (
        list(islice(script.arms(7, NAMES), 50))
        == list(islice(script.arms(7, NAMES), 50))
        != list(islice(script.arms(8, NAMES), 50))
    )


def test_every_failpoint_comes_once_before_any_comes_again() -> None:
    n = len(NAMES)
    points = [arm.point for arm in islice(script.arms(3, NAMES), 3 * n)]
    assert all({*points[i : i + n]} == {*NAMES} for i in (0, n, 2 * n))


def test_what_kills_about_one_thing_is_a_setting_that_can_be_read() -> None:
    for arm in islice(script.arms(1, NAMES), len(NAMES)):
        ((name, point),) = failpoints.parse(arm.setting).items()
        assert (name, point.action, point.nth) == (arm.name, "kill", arm.n)
        assert f"{name}?{point.about}".rstrip("?") == arm.point


def test_every_failpoint_can_be_given_to_somebody_in_every_mix_of_roles() -> None:
    for roles in script.ROLES.values():
        assert all(any(script.passes(role, point) for role in roles) for point in NAMES)


def test_some_come_back_soon_and_some_only_when_others_took_over_some_with_nothing() -> None:
    backs = [step.back for step in islice(script.steps(1), 200)]
    assert {back.rest_s > script.LATE_S[0] for back in backs} == {back.fresh for back in backs} == {True, False}
