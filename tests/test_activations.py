"""Activations: oracles, derivatives, the laws that all of them keep, and what they refuse."""

import itertools
import shutil

import entmax
import pytest
import torch
from hypothesis import given, note, settings
from hypothesis import strategies as st
from strategies import SEEDS, scores, scores_and_masks

from sdclib import activations

NAMES = activations.names()
ALL = pytest.mark.parametrize("name", NAMES)
SHIFT_INVARIANT = [name for name in activations.names() if name != "spherical_softmax"]


LAW = settings(max_examples=500)
DTYPES = (torch.float32, torch.float64)


def each(drawn, names=NAMES):
    """(activation, the scores in its type) for every activation and type. All see every example, as to draw one takes longer than to check it."""
    for name, dtype in itertools.product(names, DTYPES):
        note(f"{name}, {dtype}")  # of a failure, the last that is printed
        yield activations.get(name), drawn.to(dtype)


def assert_near(got, wanted, float32=2e-6, float64=1e-12):
    """As torch.testing.assert_close, absolute, in a tenth of the time; the tolerance is that of the type that was ``got``."""
    assert got.shape == wanted.shape
    far = (got.double() - wanted.double()).abs().max()
    assert far <= (float32 if got.dtype == torch.float32 else float64), f"{got} is {far:g} from {wanted}"


def projection_by_enumeration(rows):
    """The points of the simplex nearest to the rows: the best over every support, with the sum-1 projection on it."""
    supports = torch.tensor([chosen for chosen in itertools.product([0.0, 1.0], repeat=rows.shape[1]) if any(chosen)]).to(rows)
    rows = rows[:, None]
    points = supports * (rows - ((supports * rows).sum(2, keepdim=True) - 1) / supports.sum(1, keepdim=True))
    distance = (points - rows).norm(dim=2).masked_fill((points < 0).any(2), torch.inf)
    return points[torch.arange(len(points)), distance.argmin(1)]


def projection_by_bisection(rows):
    """max(s - tau, 0) with tau found by halving an interval until the weights sum to 1."""
    high = rows.amax(1, keepdim=True)
    low = high - 1
    for _ in range(80):
        tau = (low + high) / 2
        too_low = (rows - tau).clamp(min=0).sum(1, keepdim=True) >= 1
        low, high = torch.where(too_low, tau, low), torch.where(too_low, high, tau)
    return (rows - low).clamp(min=0)


@LAW
@given(scores(max_m=6))
def test_sparsemax_is_the_nearest_point_of_the_simplex(drawn):
    wanted = projection_by_enumeration(drawn)
    for dtype in DTYPES:
        assert_near(activations.sparsemax(drawn.to(dtype)), wanted)


@LAW
@given(SEEDS, st.integers(1, 60), st.floats(0.01, 50))
def test_sparsemax_agrees_with_a_bisection(seed, m, scale):
    drawn = scale * torch.randn(4, m, generator=torch.Generator().manual_seed(seed))
    wanted = projection_by_bisection(drawn.double())
    for dtype in DTYPES:
        assert_near(activations.sparsemax(drawn.to(dtype)), wanted, float32=2e-5)  # scores of 200 have digits of 1e-5


@pytest.mark.parametrize("dim", [-1, 0, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sparsemax_and_its_gradient_agree_with_the_entmax_package(dim, dtype):
    drawn = 2 * torch.randn(7, 12, 5, dtype=dtype, generator=torch.Generator().manual_seed(0))
    direction = torch.randn(drawn.shape, dtype=dtype, generator=torch.Generator().manual_seed(1))
    ours, theirs = drawn.clone().requires_grad_(), drawn.clone().requires_grad_()
    weights, wanted = activations.sparsemax(ours, dim=dim), entmax.sparsemax(theirs, dim=dim)
    torch.testing.assert_close(weights, wanted)
    (weights * direction).sum().backward()
    (wanted * direction).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert (weights == 0).any(), "an example with no zero weight says nothing about sparsity"


def _compared_with_entmax(mine, theirs, dtype, dim=-1, shape=(7, 12, 5), scale=2.0):
    drawn = scale * torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))
    direction = torch.randn(drawn.shape, dtype=dtype, generator=torch.Generator().manual_seed(1))
    ours, reference = drawn.clone().requires_grad_(), drawn.clone().requires_grad_()
    weights, wanted = mine(ours), theirs(reference)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-7, "atol": 1e-9}
    torch.testing.assert_close(weights, wanted, **tolerance)
    (weights * direction).sum().backward()
    (wanted * direction).sum().backward()
    torch.testing.assert_close(ours.grad, reference.grad, **tolerance)
    return weights


@pytest.mark.parametrize("dim", [-1, 0, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_entmax15_and_its_gradient_agree_with_the_entmax_package(dim, dtype):
    weights = _compared_with_entmax(lambda s: activations.entmax15(s, dim=dim), lambda s: entmax.entmax15(s, dim=dim), dtype)
    assert (weights == 0).any()


@pytest.mark.parametrize("alpha", [1.1, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_entmax_and_its_gradient_agree_with_the_entmax_package(alpha, dtype):
    _compared_with_entmax(lambda s: activations.entmax(s, alpha=alpha), lambda s: entmax.entmax_bisect(s, alpha=alpha, n_iter=80), dtype)


@settings(LAW, max_examples=25)  # bisection is slow
@given(scores(max_m=8))
def test_entmax_meets_its_closed_forms(drawn):
    for dtype in DTYPES:
        numbers = drawn.to(dtype)
        assert_near(activations.entmax(numbers, alpha=1.5), activations.entmax15(numbers), float64=1e-9)
        assert_near(activations.entmax(numbers, alpha=2.0), activations.sparsemax(numbers), float64=1e-9)
        assert torch.equal(activations.entmax(numbers, alpha=1), activations.softmax(numbers))
        for alpha, near in ((1 + 1e-6, 1e-4), (1 + 1e-10, 1e-8)):
            assert_near(activations.entmax(numbers, alpha=alpha), activations.softmax(numbers), float32=max(near, 2e-6), float64=near)


def test_alpha_can_be_learnt():
    drawn = torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    alpha = torch.tensor([[1.3], [1.5], [2.5]], dtype=torch.float64, requires_grad=True)
    function = lambda s, a: activations.entmax(s, alpha=a)  # noqa: E731
    assert torch.autograd.gradcheck(function, (drawn, alpha)) and torch.autograd.gradgradcheck(function, (drawn, alpha))


@pytest.mark.parametrize("alpha", [1 + 1e-12, 1 + 1e-9, 1 + 1e-6, 1.0001, 1.01, 1.3, 2.5, 5.0, 50.0])
def test_entmax_in_single_precision_is_that_of_double(alpha):
    """Near 1 as far from it, with the derivatives for scores and alpha; ties keep all weights, however large alpha is."""
    rng = torch.Generator().manual_seed(0)
    drawn = torch.cat([torch.randn(20, 9, generator=rng), torch.tensor([0.0, 0.0, 0.0, -1.0]).repeat_interleave(torch.tensor([1, 1, 1, 6]))[None]])
    direction, found = torch.randn(21, 9, generator=rng), []
    for dtype in DTYPES:
        numbers, order = drawn.to(dtype).requires_grad_(), torch.full((21, 1), alpha, dtype=torch.float64, requires_grad=True)
        weights = activations.entmax(numbers, alpha=order)
        assert weights.dtype == dtype
        torch.testing.assert_close(activations.entmax(numbers, alpha=alpha), weights, rtol=1e-4, atol=1e-6)
        by_score, by_alpha = torch.autograd.grad((weights * direction.to(dtype)).sum(), (numbers, order))
        found.append([part.double() / (1 + part.double().abs().max()) for part in (weights.detach(), by_score, by_alpha)])
    for single, double in zip(*found, strict=True):
        assert_near(single.float(), double, float32=5e-4)
    if alpha < 1 + 1e-5:
        assert_near(found[1][0] / found[1][0].sum(1, keepdim=True), activations.softmax(drawn.double()), float64=1e-4)


def test_alpha_is_learnt_beside_masked_segments():
    drawn, mask = torch.tensor([[1.0, 0.5, 0.2, 7.0]], dtype=torch.float64), torch.tensor([[True, True, True, False]])
    gradients = []
    for numbers, kept in ((drawn, mask), (drawn[:, :3], None)):
        alpha = torch.tensor(1.4, dtype=torch.float64, requires_grad=True)
        gradients += torch.autograd.grad((activations.entmax(numbers, mask=kept, alpha=alpha) ** 2).sum(), alpha)
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs() > 0.01


@pytest.mark.parametrize("alpha", [1.0 + 1e-5, 1.01, 1.5, 4.0])
def test_alpha_has_second_derivatives_near_1_and_far(alpha):
    drawn = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def loss(order):
        return (activations.entmax(drawn, alpha=order) ** 2).sum()

    order, step = torch.tensor(alpha, dtype=torch.float64), 1e-6
    first, second = torch.func.grad(loss), torch.func.grad(torch.func.grad(loss))
    torch.testing.assert_close(first(order), (loss(order + step) - loss(order - step)) / (2 * step), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(second(order), (first(order + step) - first(order - step)) / (2 * step), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-20, 0.5, 8.0, -4.0, 1e15])
def test_spherical_softmax_knows_neither_scale_nor_sign(scale):
    drawn = torch.randn(5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(activations.spherical_softmax(drawn), drawn**2 / (drawn**2).sum(1, keepdim=True))
    torch.testing.assert_close(activations.spherical_softmax(scale * drawn), activations.spherical_softmax(drawn), rtol=1e-12, atol=0)


def test_spherical_softmax_of_the_zero_vector_is_uniform_without_gradient():
    zero = torch.zeros(2, 4, requires_grad=True)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    weights = activations.spherical_softmax(zero, mask=mask)
    torch.testing.assert_close(weights, torch.tensor([[0.25] * 4, [0.5, 0.5, 0, 0]]))
    (weights * torch.arange(4.0)).sum().backward()
    assert torch.equal(zero.grad, torch.zeros(2, 4))


def test_topk_softmax_is_softmax_among_the_largest():
    drawn = torch.randn(20, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = activations.topk_softmax(drawn, k=4)
    assert ((weights > 0).sum(1) == 4).all()
    for row, weight in zip(drawn, weights, strict=True):
        kept = row.argsort(descending=True)[:4]
        torch.testing.assert_close(weight[kept], row[kept].softmax(0))
    assert torch.equal(activations.topk_softmax(drawn, k=9), activations.softmax(drawn))


def test_temperature_softmax_divides_the_scores():
    drawn = torch.randn(4, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(activations.temperature_softmax(drawn, temperature=0.3), (drawn / 0.3).softmax(1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_no_temperature_is_too_cold_or_too_hot(dtype):
    drawn, mask = torch.tensor([[300.0, 100.0, 300.0]], dtype=dtype), torch.tensor([True, True, False])
    for temperature, wanted in ((1e-3, [1, 0, 0]), (1e-320, [1, 0, 0]), (1e300, [0.5, 0.5, 0])):
        assert activations.temperature_softmax(drawn, mask=mask, temperature=temperature).tolist() == [wanted]


def test_gumbel_softmax_draws_with_the_probabilities_of_softmax():
    scores = torch.tensor([1.0, 0.0, -1.0, 5.0]).expand(40_000, 4)
    mask = torch.tensor([True, True, True, False])
    drawn = activations.gumbel_softmax(scores, mask=mask, generator=torch.Generator().manual_seed(0))
    assert ((drawn == 0) | (drawn == 1)).all() and (drawn.sum(1) == 1).all()
    wanted = activations.softmax(scores, mask=mask)[0]
    assert ((drawn.mean(0) - wanted).abs() < 4 * (wanted * (1 - wanted) / 40_000).sqrt() + 1e-9).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize(("score", "temperature"), [(0.0, 1.0), (1e4, 1.0), (0.0, 1e9), (0.0, 1e-9)])
def test_gumbel_softmax_draws_equal_scores_equally_often(dtype, score, temperature):
    """Also where the noise is small beside the scores, or the relaxed weights are all the same."""
    scores = torch.full((3, 40_000), score, dtype=dtype)
    drawn = activations.gumbel_softmax(scores, dim=0, temperature=temperature, generator=torch.Generator().manual_seed(0))
    assert drawn.dtype == dtype and (drawn.sum(0) == 1).all()
    assert ((drawn.double().mean(1) - 1 / 3).abs() < 0.01).all()  # 4 standard errors


def test_gumbel_softmax_under_vmap_and_compiled(compiler):
    scores = torch.tensor([1.0, 0.0, -1.0, 5.0]).expand(20_000, 4)
    mask = torch.tensor([True, True, True, False])
    wanted = activations.softmax(scores, mask=mask)[0]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        many = torch.vmap(lambda row: activations.gumbel_softmax(row, mask=mask), randomness="different")(scores)
        compiled = torch.compile(activations.gumbel_softmax, fullgraph=True, backend="aot_eager")(scores, mask=mask)
    for drawn in (many, compiled):
        assert ((drawn == 0) | (drawn == 1)).all() and (drawn.sum(1) == 1).all()
        assert ((drawn.mean(0) - wanted).abs() < 4.5 * (wanted * (1 - wanted) / 20_000).sqrt() + 1e-9).all()


def test_gumbel_softmax_repeats_with_its_generator_and_leaves_the_global_one_alone():
    scores, before = torch.zeros(50, 9), torch.random.get_rng_state()
    first, second = (activations.gumbel_softmax(scores, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(torch.random.get_rng_state(), before)
    assert not torch.equal(first, activations.gumbel_softmax(scores, generator=torch.Generator().manual_seed(4)))


def test_gumbel_softmax_has_the_derivative_of_its_relaxed_weights():
    rows = []
    for straight_through in (True, False):
        scores = torch.tensor([[0.3, -0.2, 0.8]], requires_grad=True)
        weights = activations.gumbel_softmax(scores, temperature=0.7, straight_through=straight_through, generator=torch.Generator().manual_seed(1))
        (weights * torch.tensor([1.0, 2.0, 4.0])).sum().backward()
        rows.append(scores.grad)
    assert torch.equal(*rows) and rows[0].abs().max() > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: activations.entmax(s, alpha=0.9), r"alpha must be in \[1, inf\); got 0.9"),
        (lambda s: activations.entmax(s, alpha=torch.tensor(1.0)), "alpha must be above 1 and finite"),
        (lambda s: activations.entmax(s, alpha=torch.tensor([[torch.inf], [2.0]])), "where it is a tensor; got inf"),
        (lambda s: activations.entmax(s, alpha=torch.full((3,), 1.5)), r"alpha must broadcast to scores with size 1 along dim -1, \(2, 1\); got \(3,\)"),
        (lambda s: activations.entmax(s, alpha=torch.full((4, 1, 1), 1.5)), r"with size 1 along dim -1, \(2, 1\); got \(4, 1, 1\)"),
        (lambda s: activations.temperature_softmax(s, temperature=0), r"temperature must be in \(0, inf\); got 0"),
        (lambda s: activations.topk_softmax(s, k=0), "k must be at least 1; got 0"),
        (lambda s: activations.spherical_softmax(torch.tensor([0.0, -torch.inf])), "needs finite scores"),
    ],
)
def test_settings_out_of_range_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(2, 3))


def test_softmax_is_the_formula():
    drawn = torch.randn(5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(activations.softmax(drawn), drawn.exp() / drawn.exp().sum(1, keepdim=True))


@ALL
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_first_and_second_derivatives(name, masked, seed):
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randn(4, 6, dtype=torch.float64, generator=rng)
    mask = torch.rand(4, 6, generator=rng) < 0.7 if masked else None
    if masked:
        mask[:, seed] = True
    weights = activations.get(name)(drawn, mask=mask)
    # tau from the support; a segment whose score is within 1e-3 of it stands at a kink, where no derivative exists
    real = drawn if mask is None else drawn.masked_fill(~mask, -torch.inf)
    tau = (torch.where(weights > 0, drawn, 0).sum(1, keepdim=True) - 1) / (weights > 0).sum(1, keepdim=True)
    assert name != "sparsemax" or ((real - tau).abs() > 1e-3).all(), "choose another seed: this example stands at a kink"
    drawn.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: activations.get(name)(s, mask=mask), drawn)
    assert torch.autograd.gradgradcheck(lambda s: activations.get(name)(s, mask=mask), drawn)


@LAW
@given(drawn=scores())
def test_weights_are_on_the_simplex(drawn):
    for activation, numbers in each(drawn):
        weights = activation(numbers)
        assert weights.dtype == numbers.dtype and (weights >= 0).all()
        assert_near(weights.sum(-1), torch.ones(len(drawn)))


@LAW
@given(drawn=scores(), data=st.data())
def test_permutation_of_segments_permutes_weights(drawn, data):
    order = data.draw(st.permutations(range(drawn.shape[1])))
    for activation, numbers in each(drawn):
        assert_near(activation(numbers[:, order]), activation(numbers)[:, order])


@LAW
@given(drawn=scores(), shift=st.integers(-100, 100))
def test_adding_a_constant_changes_nothing(drawn, shift):
    drawn = (1024 * drawn).round() / 1024  # so that adding is exact: else a rounding could make a tie, at which topk_softmax jumps
    for activation, numbers in each(drawn, SHIFT_INVARIANT):
        assert_near(activation(numbers + shift), activation(numbers))


@LAW
@given(drawn=scores_and_masks(), garbage=st.sampled_from([torch.nan, torch.inf, -torch.inf, 1e30]))
def test_hiding_a_segment_equals_deleting_it(drawn, garbage):
    drawn, mask = drawn
    for activation, numbers in each(drawn):
        filled = numbers.masked_fill(~mask, garbage).requires_grad_()
        weights = activation(filled, mask=mask)
        assert (weights[~mask] == 0).all()
        for row, kept, hidden_rest in zip(numbers, mask, weights.detach(), strict=True):
            assert_near(hidden_rest[kept], activation(row[kept]))
        (gradient,) = torch.autograd.grad((weights**2).sum(), filled)
        assert (gradient[~mask] == 0).all()
        assert gradient.isfinite().all()


@LAW
@given(drawn=scores_and_masks())
def test_a_mask_broadcasts_and_dim_names_any_axis(drawn):
    drawn, mask = drawn
    for activation, numbers in each(drawn):
        assert torch.equal(activation(numbers, mask=mask[0]), activation(numbers, mask=mask[:1].expand(numbers.shape)))
        assert_near(activation(numbers.T, dim=0, mask=mask.T).T, activation(numbers, mask=mask))


@pytest.mark.parametrize("name", SHIFT_INVARIANT)
def test_larger_scores_get_larger_weights_at_any_scale(name):
    for scale in (1e-30, 1.0, 1e30):
        weights = activations.get(name)(scale * torch.tensor([[3.0, 2.0, 1.0, -5.0]]))
        assert weights.isfinite().all()
        assert (weights.diff() <= 0).all()
        assert weights.sum() == pytest.approx(1)


@ALL
@pytest.mark.parametrize("m", [2, 9, 300, 1000])
def test_bfloat16_stays_near_double_precision(name, m):
    drawn = torch.randn(50, m, generator=torch.Generator().manual_seed(m)).bfloat16()
    weights = activations.get(name)(drawn)
    assert weights.dtype == torch.bfloat16
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.double(), activations.get(name)(drawn.double()), rtol=2e-2, atol=4e-3)
    assert (weights.double().sum(1) - 1).abs().max() < 1e-2


@ALL
def test_vmap_gives_what_a_batch_gives(name):
    activation = activations.get(name)
    drawn = torch.randn(6, 4, 9, generator=torch.Generator().manual_seed(0))
    mask = torch.rand(6, 4, 9, generator=torch.Generator().manual_seed(1)) < 0.8
    torch.testing.assert_close(torch.vmap(activation)(drawn), activation(drawn))
    torch.testing.assert_close(torch.vmap(lambda s, real: activation(s, mask=real))(drawn, mask), activation(drawn, mask=mask))


@ALL
@pytest.mark.filterwarnings("error:There is a performance drop")  # an operation that vmap runs in a loop
def test_derivatives_under_vmap_are_those_of_each(name):
    drawn = torch.randn(3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    direction = torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def loss(row):
        return (activations.get(name)(row) * direction).sum() ** 2

    gradient = torch.stack([torch.autograd.functional.jacobian(loss, row) for row in drawn])
    assert_near(torch.vmap(torch.func.grad(loss))(drawn), gradient)
    hessian = torch.stack([torch.autograd.functional.hessian(loss, row) for row in drawn])
    assert_near(torch.vmap(torch.func.jacrev(torch.func.grad(loss)))(drawn), hessian)
    assert_near(torch.vmap(lambda scale: loss(drawn[0]) * scale)(torch.ones(2, dtype=torch.float64)), loss(drawn[0]).expand(2))


@ALL
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_scores_as_large_as_the_type_allows_are_no_error(name, dtype):
    weights = activations.get(name)(torch.full((50, 4), torch.finfo(dtype).max / 2, dtype=dtype))
    assert torch.equal(weights, torch.full((50, 4), 0.25, dtype=dtype))


@pytest.fixture
def compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@ALL
def test_the_whole_graph_can_be_captured(name, compiler):
    drawn = torch.randn(4, 9, generator=torch.Generator().manual_seed(0)).requires_grad_()
    plain = activations.get(name)(drawn)
    captured = torch.compile(activations.get(name), fullgraph=True, backend="aot_eager")(drawn)
    torch.testing.assert_close(captured, plain)
    direction = torch.arange(36.0).view(4, 9)
    torch.testing.assert_close(*(torch.autograd.grad((weights * direction).sum(), drawn)[0] for weights in (captured, plain)))


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler (g++) and there is none")
def test_compiled_to_machine_code(compiler):
    drawn = torch.randn(4, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.compile(activations.sparsemax, fullgraph=True)(drawn), activations.sparsemax(drawn))


def test_get():
    assert activations.get("softmax") is activations.softmax
    assert activations.get(torch.sigmoid) is torch.sigmoid
    with pytest.raises(ValueError, match="unknown activation 'softmin'; choose one of softmax, sparsemax"):
        activations.get("softmin")


REFUSED = {
    "NaN": ({"scores": torch.tensor([[0.0, torch.nan]])}, ValueError, "scores must not be NaN or \\+inf"),
    "infinity": ({"scores": torch.tensor([[0.0, torch.inf]])}, ValueError, "scores must not be NaN or \\+inf"),
    "-infinity everywhere": ({"scores": torch.tensor([[0.0, 1.0], [-torch.inf, -torch.inf]])}, ValueError, "scores must not all be -inf"),
    "whole numbers": ({"scores": torch.tensor([[0, 1]])}, TypeError, "floating-point tensor; got torch.int64"),
    "a list": ({"scores": [0.0, 1.0]}, TypeError, "torch.Tensor; got list"),
    "no axis": ({"scores": torch.tensor(1.0)}, ValueError, r"axis of scores; got dim -1 for shape \(\)"),
    "another axis": ({"scores": torch.zeros(2, 3), "dim": 2}, ValueError, r"got dim 2 for shape \(2, 3\)"),
    "no segment": ({"scores": torch.zeros(2, 0)}, ValueError, r"at least one segment along dim -1; got shape \(2, 0\)"),
    "a mask of numbers": ({"scores": torch.zeros(2, 3), "mask": torch.ones(2, 3)}, TypeError, "boolean tensor; got torch.float32"),
    "a mask as list": ({"scores": torch.zeros(2, 3), "mask": [True] * 3}, TypeError, "boolean tensor; got list"),
    "another mask": ({"scores": torch.zeros(2, 3), "mask": torch.ones(2, 4, dtype=bool)}, ValueError, r"\(2, 3\); got \(2, 4\)"),
    "all masked": ({"scores": torch.zeros(2, 2), "mask": torch.tensor([[True, True], [False, False]])}, ValueError, "at least one real segment"),
}


@ALL
@pytest.mark.parametrize(("arguments", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_named(name, arguments, error, message):
    with pytest.raises(error, match=message):
        activations.get(name)(**arguments)
