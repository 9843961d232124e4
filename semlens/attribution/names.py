"""Which functions belong together: torch's functions by name, grouped by how relevance passes them."""

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
