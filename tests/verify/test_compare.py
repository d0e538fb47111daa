"""What is taken for a difference, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="porter verify needs torch")

from porter.verify.compare import Results, compare, one_minus_cosine  # noqa: E402
from porter.verify.outcome import Measure  # noqa: E402

STATE = {"weight": ["torch.float32", [64]], "bias": ["torch.float32", [4]]}


def results(**changes: Any) -> Results:
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(64, generator=generator), torch.randn(4, generator=generator)
    whole = {
        "state": STATE,
        "losses": {"loss": [2.0, 1.0, 0.5]},
        "initial": {"weight": weight, "bias": bias},
        "outputs": {"output": torch.randn(8, 4, generator=generator)},
        "gradients": {"weight": weight * 0.1, "bias": bias * 0.01},
        "final": {"weight": weight - weight * 0.001, "bias": bias - bias * 0.001},
    }
    return Results(**{**whole, **changes})


def failed(
    port: Results, precision: str = "float32", oracle: Results | None = None, **tolerance: float
) -> list[Measure]:
    measures, _ = compare(oracle or results(), port, precision, tolerance)
    return [measure for measure in measures if not measure.passed]


def named(measures: list[Measure]) -> list[tuple[str, str]]:
    return [(measure.kind, measure.name) for measure in measures]


def test_the_same_passes() -> None:
    assert failed(results()) == []


@pytest.mark.parametrize(
    ("relative", "passes"),
    [pytest.param(1e-6, True, id="rounding"), pytest.param(1e-4, False, id="more than rounding")],
)
def test_losses_in_relation_to_themselves(relative: float, passes: bool) -> None:
    port = results(losses={"loss": [2.0, 1.0, 0.5 * (1 + relative)]})
    assert (failed(port) == []) is passes


def test_a_vanished_loss_in_relation_to_what_it_was() -> None:
    oracle = results(losses={"loss": [1.0, 1e-9]})
    assert not failed(results(losses={"loss": [1.0, 2e-9]}), oracle=oracle)
    assert failed(results(losses={"loss": [1.0, 1e-4]}), oracle=oracle)


@pytest.mark.parametrize("losses", [{"loss": [2.0, 1.0]}, {}, {"loss": [2.0, 1.0, 0.5], "other": [1.0]}])
def test_missing_and_additional_losses_fail(losses: dict[str, list[float]]) -> None:
    assert [measure.kind for measure in failed(results(losses=losses))] == ["loss"]


def test_a_loss_that_is_not_a_number_fails() -> None:
    assert named(failed(results(losses={"loss": [2.0, 1.0, float("nan")]}))) == [("loss", "loss")]


def test_a_small_gradient_that_is_wrong_is_found() -> None:
    oracle = results()
    wrong = {**oracle.gradients, "bias": oracle.gradients["bias"] * 2}
    assert ("gradient", "bias") in named(failed(results(gradients=wrong)))


def test_a_gradient_of_rounding_noise_is_no_error_nor_is_its_update() -> None:
    noise = torch.randn(4, generator=torch.Generator().manual_seed(1)) * 1e-9
    oracle = results()
    ours = results(gradients={**oracle.gradients, "bias": noise})
    moved = {**oracle.final, "bias": oracle.initial["bias"] + 0.01}
    theirs = results(gradients={**oracle.gradients, "bias": -noise}, final=moved)
    measures, warnings = compare(ours, theirs, "float32", {})
    cosines = [m for m in measures if not m.passed]
    assert not cosines, cosines
    assert any("rounding noise" in warning for warning in warnings)


def test_elements_that_go_by_chance_are_left_out_of_an_update_and_the_others_are_not() -> None:
    oracle = results()
    gradient = oracle.gradients["weight"].clone()
    gradient[:20] = 1e-9
    ours = results(gradients={**oracle.gradients, "weight": gradient})
    chance = oracle.final["weight"].clone()
    chance[:20] += 0.01
    port = results(gradients=ours.gradients, final={**oracle.final, "weight": chance})
    assert not failed(port, oracle=ours)
    chance[20:] += 0.01
    assert named(failed(port, oracle=ours)) == [("update", "weight")]


def test_an_optimizer_that_does_nothing_is_found_even_at_a_small_rate_and_in_bfloat16() -> None:
    oracle = results()
    assert named(failed(results(final=oracle.initial), "bfloat16")) == [("update", "weight"), ("update", "bias")]


def test_half_the_update_is_found() -> None:
    oracle = results()
    half = {name: (value + oracle.initial[name]) / 2 for name, value in oracle.final.items()}
    assert named(failed(results(final=half))) == [("update", "weight"), ("update", "bias")]


def test_a_wrong_majority_under_one_large_value_is_found_by_the_angle() -> None:
    expected = torch.ones(10_000)
    expected[0] = 50.0
    found = expected.clone()
    found[1:] += 0.9 * (-1.0) ** torch.arange(9_999)  # below the limit of 0.03 * 50
    (measure,) = failed(results(outputs={"output": found}), "bfloat16", results(outputs={"output": expected}))
    assert measure.maximum is not None and measure.limit is not None and measure.maximum < measure.limit
    assert measure.cosine is not None and measure.cosine_limit is not None and measure.cosine > measure.cosine_limit


@pytest.mark.parametrize(("precision", "passes"), [("float32", False), ("bfloat16", True)])
def test_the_precision_chooses_the_tolerance(precision: str, passes: bool) -> None:
    oracle = results()
    port = results(outputs={"output": oracle.outputs["output"].bfloat16().float()})
    assert (failed(port, precision) == []) is passes


def test_a_tolerance_of_the_case_counts() -> None:
    port = results(losses={"loss": [2.0, 1.0, 0.51]})
    assert failed(port)
    assert not failed(port, loss=0.05)


def test_infinities_at_the_same_places_agree_and_elsewhere_do_not() -> None:
    masked = torch.tensor([[1.0, -torch.inf], [1.0, 2.0]])
    oracle = results(outputs={"output": masked})
    assert not failed(results(outputs={"output": masked.clone()}), oracle=oracle)
    assert failed(results(outputs={"output": masked.nan_to_num(neginf=-1e9)}), oracle=oracle)
    assert failed(results(outputs={"output": masked.clone().fill_(torch.nan)}), oracle=oracle)


def test_whole_numbers_are_compared_exactly() -> None:
    oracle = results(outputs={"output": torch.tensor([3, 4, 5])})
    (measure,) = failed(results(outputs={"output": torch.tensor([3, 4, 6])}), oracle=oracle)
    assert measure.note == "1 of 3 differ"


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"bias": None}, "missing in the port's state dict"),
        ({"extra": ["torch.float32", [1]]}, "only in the port's state dict"),
        ({"bias": ["torch.float32", [5]]}, "shape (5,) in the port, (4,) in the original"),
        ({"bias": ["torch.float64", [4]]}, "torch.float64 in the port, torch.float32 in the original"),
    ],
    ids=["missing", "additional", "shape", "dtype"],
)
def test_drift_of_the_state_dict_is_all_that_is_reported(change: dict[str, Any], note: str) -> None:
    state = {name: about for name, about in {**STATE, **change}.items() if about is not None}
    measures, _ = compare(results(), results(state=state), "float32", {})
    assert [measure.note for measure in measures if not measure.passed] == [note]
    assert {measure.kind for measure in measures} == {"state"}


def test_float16_that_became_bfloat16_is_what_porter_writes() -> None:
    ours = results(state={**STATE, "bias": ["torch.float16", [4]]})
    theirs = results(state={**STATE, "bias": ["torch.bfloat16", [4]]})
    measures, _ = compare(ours, theirs, "bfloat16", {})
    assert all(measure.passed for measure in measures)
    assert any("bfloat16 in the port" in measure.note for measure in measures)


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"outputs": {"output": torch.zeros(3)}}, "all outputs of the oracle are zero"),
        ({"losses": {"loss": [1.0, 1.0]}}, "nothing is trained"),
        ({"losses": {"loss": [1.0, float("inf")]}}, "not finite"),
    ],
)
def test_what_proves_nothing_is_said(changes: dict[str, Any], warning: str) -> None:
    _, warnings = compare(results(**changes), results(**changes), "float32", {})
    assert any(warning in line for line in warnings), warnings


def test_the_angle_is_exact_for_small_ones() -> None:
    a = torch.ones(1000, dtype=torch.float64)
    b = a.clone()
    b[0] += 1e-3
    assert one_minus_cosine(a, b) == pytest.approx(0.5e-9, rel=1e-2)
    assert one_minus_cosine(a, -a) == pytest.approx(2.0)
