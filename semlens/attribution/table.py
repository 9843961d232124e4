"""Which function is treated how: torch's functions by name, in groups by how relevance passes them, and the one table
that decides through which of them it may.

A function is known by its name, however it is called. A name that is in no table is an error; its relevance is never
passed through.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from semlens.attribution import exponential, layers, norms, products, writing
from semlens.attribution import operations as ops
from semlens.attribution.attention import attention, multi_head_attention
from semlens.attribution.operations import Call
from semlens.attribution.recurrent import packed, recurrent, recurrent_cell
from semlens.errors import SemlensError

MOVES = frozenset(
    "H T adjoint alias as_strided atleast_1d atleast_2d atleast_3d bfloat16 block_diag broadcast_tensors broadcast_to "
    "cartesian_prod cat channel_shuffle chunk clone col2im column_stack combinations concat concatenate conj "
    "conj_physical constant_pad_nd contiguous copy cpu cuda diag diag_embed diagflat diagonal diagonal_scatter double "
    "dsplit dstack embedding expand expand_as fill fill_diagonal flatten flip fliplr flipud float fold gather getitem "
    "half hsplit hstack identity im2col imag index index_copy index_fill index_put index_select lift lift_fresh mH mT "
    "masked_fill masked_scatter masked_select max_unpool1d max_unpool2d max_unpool3d meshgrid moveaxis movedim narrow "
    "native_channel_shuffle pad permute pin_memory pixel_shuffle pixel_unshuffle put ravel real reflection_pad1d "
    "reflection_pad2d reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d "
    "reshape reshape_alias reshape_as resolve_conj resolve_neg reversed roll rot90 row_stack scatter select "
    "select_scatter setitem slice slice_scatter split split_with_sizes squeeze stack swapaxes swapdims t take "
    "take_along_dim tensor_split tile to to_copy transpose tril triu type type_as unbind unflatten unfold "
    "unsafe_chunk unsafe_index unsafe_split unsafe_split_with_sizes unsafe_view unsqueeze view view_as "
    "view_as_complex view_as_real vsplit vstack where zero".split()
)
"""Functions that only move values; their gradient moves relevance likewise."""

VIEWS = frozenset(
    "chunk dsplit hsplit split split_with_sizes tensor_split unbind unsafe_chunk unsafe_split unsafe_split_with_sizes "
    "vsplit".split()
)
"""Those that give several views of one tensor."""

JOINS = frozenset(
    "block_diag cat column_stack concat concatenate diagonal_scatter dstack hstack index_add index_copy index_put "
    "masked_scatter row_stack scatter scatter_add select_scatter slice_scatter stack vstack where".split()
)
"""Those that put values beside, among or onto each other; see `operations.join`."""

POOLS = frozenset(
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d avg_pool1d avg_pool2d avg_pool3d mean nanmean".split()
)
"""Means; see `operations.pooled`."""

SUMS = frozenset(
    "affine_grid affine_grid_generator cdouble cfloat chalf complex cumsum deg2rad diff gradient index_add "
    "interpolate istft nansum neg negative pos positive rad2deg rsub scatter_add stft sum sum_to_size trace upsample "
    "upsample_bicubic2d upsample_bicubic2d_aa upsample_bilinear upsample_bilinear2d upsample_bilinear2d_aa "
    "upsample_linear1d upsample_nearest upsample_nearest1d upsample_nearest2d upsample_nearest3d "
    "upsample_nearest_exact1d upsample_nearest_exact2d upsample_nearest_exact3d upsample_trilinear3d".split()
) | frozenset(
    f"fft_{i}{kind}{n}" for i in ("", "i") for kind in ("fft", "rfft", "hfft") for n in ("", "2", "n")
) | {"fft_fftshift", "fft_ifftshift", "fft_c2c", "fft_c2r", "fft_r2c"}  # fmt: skip
"""Sums with constant weights, Fourier transforms among them; their gradient shares relevance in proportion to the
contributions."""

WINNERS = frozenset(
    "adaptive_max_pool1d adaptive_max_pool1d_with_indices adaptive_max_pool2d adaptive_max_pool2d_with_indices "
    "adaptive_max_pool3d adaptive_max_pool3d_with_indices amax amin aminmax cummax cummin fmax fmin "
    "fractional_max_pool2d fractional_max_pool2d_with_indices fractional_max_pool3d "
    "fractional_max_pool3d_with_indices kthvalue max max_pool1d max_pool1d_with_indices max_pool2d "
    "max_pool2d_with_indices max_pool3d max_pool3d_with_indices maximum median min minimum mode msort nanmedian "
    "sort topk".split()
)
"""Functions that select values, each of which gets all relevance of its place, as it does by their gradient."""

HOMOGENEOUS = frozenset(
    "abs absolute cdist copysign dist euclidean_dist hardshrink hypot l1_loss leaky_relu logaddexp lp_pool1d "
    "lp_pool2d lp_pool3d nan_to_num nextafter pairwise_distance pdist relu rrelu rrelu_with_noise threshold".split()
)
"""Functions f of which f(c x) = c f(x) for c > 0, such as a ReLU or a distance (and a logarithm's sum, up to its
entropy): their gradient shares f(x) in proportion to the contributions (Euler's theorem)."""

ACTIVATIONS = frozenset(
    "acos acosh arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh bessel_j0 bessel_j1 "
    "bessel_y0 bessel_y1 celu cos cosh digamma elu entr erf erfc erfcx erfinv exp2 expit expm1 float_power fmod frac "
    "gammainc gammaincc gammaln gelu hardsigmoid hardswish hardtanh i0 i0e i1 i1e igamma igammac ldexp lgamma "
    "local_response_norm log10 log2 log_ndtr log_sigmoid logaddexp2 logit logsigmoid mish mod modified_bessel_i0 "
    "modified_bessel_i1 multigammaln mvlgamma ndtr ndtri polygamma pow psi relu6 remainder rmod rpow selu sigmoid "
    "silu sin sinc sinh softplus softshrink softsign sqrt square tan tanh tanhshrink xlog1py xlogy zeta".split()
)
"""Element-wise functions through which relevance passes unchanged."""

STEPS = frozenset(
    "ceil fix floor floor_divide floordiv heaviside rfloordiv round sgn sign trunc".split()
)  # fmt: skip
"""Functions that are constant but for jumps, so nothing of their value is due to one input rather than another."""

NORMS = frozenset("frobenius_norm matrix_norm norm nuclear_norm std std_mean vector_norm".split())
"""Norms and deviations; see `operations.norm`."""

SHIFTS = frozenset("add radd sub rsub subtract mul rmul multiply div truediv true_divide divide batch_norm".split())
"""Functions that scale or shift values; with a constant, they only normalise."""

PASSIVE = frozenset(
    "all allclose and any argmax argmin argsort argwhere __array__ _assert assert_async assert_tensor_metadata "
    "backward_hooks bernoulli bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift "
    "bitwise_xor __bool__ bool bucketize byte cauchy char __complex__ __contains__ count_nonzero data_ptr dense_dim "
    "dequantize detach dim dim_order __dlpack__ __dlpack_device__ element_size empty_like eq equal exponential "
    "__float__ __format__ full_like gcd ge geometric get_device greater greater_equal gt __hash__ histc histogram "
    "__index__ __int__ int invert is_complex is_conj is_contiguous is_floating_point is_inference is_neg is_nonzero "
    "is_pinned is_same_size is_set_to is_signed isclose isfinite isin isinf isnan isneginf isposinf isreal item lcm "
    "le __len__ less less_equal log_normal logical_and logical_not logical_or logical_xor long lshift lt matrix_rank "
    "multinomial ndimension ne nelement new_empty new_empty_strided new_full new_ones new_tensor new_zeros nms "
    "nonzero nonzero_static normal not_equal numel numpy one_hot ones_like or poisson rand_like randint_like "
    "randn_like random record_stream register_hook __repr__ retain_grad rshift searchsorted short signbit size "
    "sparse_dim storage storage_offset storage_type __str__ stride sym_numel sym_size tolist uniform "
    "unravel_index untyped_storage xor zeros_like".split()
)
"""Functions whose result carries no relevance. Random numbers are of the model's own generator: see `chance`."""

LOOKS = frozenset(
    [getattr(Tensor, name).__get__ for name in "device dtype is_leaf itemsize layout ndim requires_grad shape".split()]
    + [getattr(Tensor, name) for name in "dim is_complex is_contiguous is_floating_point numel size stride".split()]
    + [torch._assert, torch.is_complex, torch.is_floating_point, torch.numel]
)
"""Those that networks ask for most, of which nothing need be known: they tell what a tensor is, not what it holds."""

WITHOUT_SENSE = {
    "binary_cross_entropy binary_cross_entropy_with_logits cosine_embedding_loss ctc_loss gaussian_nll_loss "
    "hinge_embedding_loss huber_loss kl_div linear_cross_entropy margin_ranking_loss multi_margin_loss "
    "multilabel_margin_loss multilabel_soft_margin_loss poisson_nll_loss smooth_l1_loss soft_margin_loss "
    "triplet_margin_loss triplet_margin_with_distance_loss":
        "is a loss: explain what the model gives, a logit or a score, instead",
    "corrcoef cov det inv inverse cholesky cholesky_inverse cholesky_solve eig eigh eigvals eigvalsh "
    "householder_product inv_ex lobpcg logdet lstsq lu lu_factor lu_solve lu_unpack matrix_exp matrix_power "
    "orgqr ormqr pca_lowrank pinv pinverse polar qr slogdet solve solve_ex solve_triangular svd svd_lowrank "
    "svdvals tensorinv tensorsolve triangular_solve vander geqrf ldl_factor ldl_solve cond":
        "mixes all that goes into it, which no rule covers: where it only normalises or aligns, treat its result as a "
        "constant, composite.with_function({name!r}, 'constant')",
    "nested_from_padded nested_tensor_from_mask nested_tensor_from_tensor_list to_padded_tensor coalesce to_dense "
    "to_mkldnn to_sparse to_sparse_bsc to_sparse_bsr to_sparse_csc to_sparse_csr sparse_mask sparse_resize smm hspmm "
    "sspaddmm saddmm dsmm hsmm sparse_sampled_addmm":
        "gives no dense tensor, in which no relevance can be followed: let the model work on dense tensors",
    "quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic fake_quantize_per_tensor_affine "
    "fake_quantize_per_channel_affine":
        "quantises, which no relevance can pass: give the model before its quantisation",
    "unique unique2 unique_consecutive unique_dim":
        "picks values of which torch knows no gradient: treat its result as a constant, "
        "composite.with_function({name!r}, 'constant')",
    "rnn_tanh rnn_relu rnn_tanh_cell rnn_relu_cell":
        "is a plain recurrent layer, which no rule covers: use an LSTM or a GRU",
}  # fmt: skip
"""Functions that are refused, by what to do instead."""

_OPERATORS = {
    "__matmul__": "matmul", "__getitem__": "getitem", "__setitem__": "setitem", "__pow__": "pow",
    "__rand__": "and", "__ror__": "or", "__rxor__": "xor", "__rlshift__": "lshift", "__rrshift__": "rshift",
}  # fmt: skip
_NOT_IN_PLACE = frozenset({"__invert__", "__int__", "__index__", "__iter__"})
_NAMESPACES = ("linalg_", "special_")


def name_of(func: Any, kwargs: dict[str, Any]) -> tuple[str, bool]:
    """A function's name without the underscores of operators and in-place functions, and whether it works in place."""
    name, in_place = _name_of(func)
    return name, in_place or ("inplace" in kwargs and bool(kwargs["inplace"]))


@lru_cache(maxsize=1024)
def _name_of(func: Any) -> tuple[str, bool]:
    name: str = getattr(func, "__name__", str(func)).partition(".")[0]  # without the overload of an operator of aten
    if name in _OPERATORS:
        return _OPERATORS[name], name == "__setitem__"
    if name == "__get__" or name in PASSIVE:
        return name, False
    if name.startswith("__i") and name.endswith("__") and name not in _NOT_IN_PLACE:
        return name[3:-2], True
    if name.startswith("__") and name.endswith("__"):
        return name[2:-2], False
    if name.endswith("_") and not name.startswith("_"):
        return name[:-1], name != "requires_grad_"
    return name.removeprefix("_"), False


def known_as(name: str) -> str:
    """The name under which the table has a function: `linalg_norm` is `norm`, `view_copy` is `view`."""
    if name in _TABLE:
        return name
    for namespace in _NAMESPACES:
        name = name.removeprefix(namespace)
    return name.removesuffix("_copy") if name not in _TABLE else name


def operate(call: Call) -> Any:
    """The function's result, with a backward pass that carries relevance.

    Raises:
        SemlensError: no rule covers the function.
    """
    treatment = call.setting.composite.functions.get(call.name)
    known = known_as(call.name)
    handler = _TREATMENTS[treatment] if treatment else _TABLE.get(known)
    if handler is None:
        raise SemlensError(_refusal(call, known))
    if handler is ops.join and call.in_place:
        handler = ops.by_gradient  # what stood in the memory before is no argument of its own
    if not treatment and known != call.name:
        call = call._replace(name=known)
    if call.kwargs.get("out") is not None:
        return writing.into(call, handler)
    return writing.in_place(call, handler) if call.in_place else handler(call)


def _refusal(call: Call, known: str) -> str:
    reason = _REFUSED.get(known)
    if "quantized" in str(getattr(call.func, "__module__", "")):
        reason = _REFUSED["quantize_per_tensor"]
    if reason:
        return f"layer {call.layer!r} calls {call.name!r}, which {reason.format(name=call.name)}"
    return (
        f"no rule covers {call.name!r}, which layer {call.layer!r} calls: say how relevance passes it with "
        f"composite.with_function({call.name!r}, 'activation'), 'linear', 'product' or 'constant' (docs/attribution.md)"
    )


_REFUSED = {name: reason for several, reason in WITHOUT_SENSE.items() for name in several.split()}
_TREATMENTS: Mapping[str, Callable[[Call], Any]] = MappingProxyType(
    {"activation": ops.activation, "linear": ops.by_gradient, "product": products.product, "constant": ops.constant}
)
_TABLE: Mapping[str, Callable[[Call], Any]] = MappingProxyType(
    {
        **dict.fromkeys(MOVES | SUMS | WINNERS | HOMOGENEOUS, ops.by_gradient),
        **dict.fromkeys(POOLS, ops.pooled),
        **dict.fromkeys(ACTIVATIONS, ops.activation),
        **dict.fromkeys(STEPS | PASSIVE, ops.constant),  # the passive ones where they write in place
        **dict.fromkeys(NORMS, ops.norm),
        **dict.fromkeys(("var", "var_mean"), ops.variance),
        "mse_loss": ops.half,
        **dict.fromkeys(("scatter_reduce", "index_reduce", "segment_reduce"), ops.reduced),
        **dict.fromkeys(("prelu", "prelu_kernel"), ops.prelu),
        "rsqrt": ops.normaliser,
        **dict.fromkeys(("clamp", "clip", "clamp_min", "clamp_max"), ops.clamp),
        **dict.fromkeys(JOINS, ops.join),
        **dict.fromkeys(("add", "radd", "sub", "rsub", "subtract"), ops.add),
        **dict.fromkeys(("softmax", "softmin", "safe_softmax"), ops.softmax),
        "exp": exponential.exponential,
        **dict.fromkeys(("log", "log1p"), exponential.logarithm),
        **dict.fromkeys(("logsumexp", "logcumsumexp"), exponential.log_sum_exp),
        "log_softmax": exponential.log_softmax,
        **dict.fromkeys(("div", "truediv", "true_divide", "divide"), exponential.divide),
        **dict.fromkeys(("rdiv", "rtruediv", "reciprocal"), exponential.invert),
        **dict.fromkeys(("mul", "rmul", "multiply"), products.multiply),
        **dict.fromkeys(products.FORMULAS, products.multilinear),
        **dict.fromkeys(("multi_dot", "chain_matmul", "trilinear", "embedding_bag"), products.product),
        **dict.fromkeys(("prod", "cumprod"), products.powers),
        "lerp": products.interpolated,
        "einsum": products.einsum,
        "glu": products.glu,
        **dict.fromkeys(("matmul", "bmm", "mm"), layers.matmul),
        "rmatmul": layers.matmul_from_right,
        "addmm": layers.addmm,
        "linear": layers.linear_layer,
        **dict.fromkeys((f"conv{n}d" for n in (1, 2, 3)), layers.convolution_layer),
        **dict.fromkeys((f"conv_transpose{n}d" for n in (1, 2, 3)), layers.convolution_layer),
        "convolution": layers.any_convolution,
        "deform_conv2d": layers.deformed_convolution,
        "batch_norm": norms.by_schema(norms.modulated(norms.batch_norm, 3, 4)),
        "instance_norm": norms.by_schema(norms.modulated(norms.instance_norm, 3, 4)),
        "layer_norm": norms.modulated(norms.layer_norm, 2, 3),
        "group_norm": norms.modulated(norms.group_norm, 2, 3),
        "rms_norm": norms.modulated(norms.rms_norm, 2),
        "normalize": norms.normalize,
        "cosine_similarity": norms.cosine_similarity,
        "scaled_dot_product_attention": attention,
        "multi_head_attention_forward": multi_head_attention,
        **dict.fromkeys(("lstm", "gru"), recurrent),
        **dict.fromkeys(("lstm_cell", "gru_cell"), recurrent_cell),
        "pack_padded_sequence": packed,
    }
)
