"""Linear encoding models: a component's activation regressed on the embedding of the image, by ridge regression.

Over images i = 1..n with embeddings e_i and standardised activations y_i, with C the covariance of e and b that of e
and y, the encoding vector of a component is

    w = K b,   K = (C + 0.3 (tr C / d) I)^-1,

and a direction t of the embedding's space, a phrase or an image, has the effect w . t. If y had nothing to do with e,
the effect would have the standard error sqrt(t' K C K t / n); z is effect over standard error. K takes out what merely
goes along with something else in these images, which plain correlation and the strongest images leave in.

Where phrases T are asked together, encoding vectors are taken to lie half where these lie: with the prior covariance
P = (d T'T / tr T'T + I) / 2 of encoding vectors, K = (C P + 0.3 (tr C P / d) I)^-1. Of P = I that is the above, of
P = T'T the coefficients of a ridge regression on the images' similarities to all phrases.

Source: reverse correlation as linear encoding models have it (Naselaris et al. 2011, NeuroImage 56), ridge regression
(Hoerl and Kennard 1970). But: the shrinkage is fixed, as cross-validation prefers one that predicts and labels worse.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semlens.types import Float, Float32, Float64

SHRINKAGE = 0.3
"""The ridge, in parts of the mean variance of what is regressed on."""


@dataclass(frozen=True, eq=False)
class Metric:
    """The space of embeddings as the images fill it: what turns covariances into encodings."""

    covariance: Float64[np.ndarray, "d d"]  # C
    images: int  # n
    prior: Float64[np.ndarray, "d d"] | None = None  # P; None: the identity

    def among(self, directions: Float[np.ndarray, "q d"]) -> "Metric":
        """The same for phrases that are asked together: encoding vectors lie half where the directions lie, by their
        second moments, and half anywhere."""
        wide = np.asarray(directions, np.float32)
        size, moments = len(self.covariance), (wide.T @ wide).astype(np.float64)
        length = float(np.trace(moments))
        if length <= 0:
            return self
        return Metric(self.covariance, self.images, (moments * (size / length) + np.eye(size)) / 2)

    @cached_property
    def inverse(self) -> Float64[np.ndarray, "d d"]:
        """K; zero where all images have the same embedding, so that nothing has an effect."""
        covariance = np.asarray(self.covariance, np.float64)
        return _ridge_inverse(covariance if self.prior is None else covariance @ self.prior)

    def vectors(self, cross: Float[np.ndarray, "a d"]) -> Float32[np.ndarray, "a d"]:
        """Encoding vectors w of components with these covariances b of embedding and activation."""
        return (np.asarray(cross, np.float32) @ self.inverse.T.astype(np.float32)).astype(np.float32)

    def spread(self, directions: Float[np.ndarray, "q d"]) -> Float32[np.ndarray, "q"]:
        """sqrt(t' K C K' t) of each direction t: the standard error of an effect times the root of n."""
        if len(directions) >= len(self.covariance):
            return np.linalg.norm(self._places(directions), axis=1)
        weights = np.asarray(directions, np.float64) @ self.inverse  # a few do without the root, which takes longer
        return np.sqrt(np.maximum(np.einsum("qd,qd->q", weights @ self.covariance, weights), 0)).astype(np.float32)

    def effects(
        self, cross: Float[np.ndarray, "a d"], directions: Float[np.ndarray, "q d"]
    ) -> Float32[np.ndarray, "a q"]:
        """Effects w . t, in standard deviations of the activation per unit of the embedding's space."""
        return np.asarray(cross, np.float32) @ self._weighted(directions).T

    def z(self, cross: Float[np.ndarray, "a d"], directions: Float[np.ndarray, "q d"]) -> Float32[np.ndarray, "a q"]:
        """Effects over their standard errors if nothing were related; 0 along what does not vary over the images."""
        return np.asarray(cross, np.float32) @ self.contrasts(directions).T

    def contrasts(self, directions: Float[np.ndarray, "q d"]) -> Float32[np.ndarray, "q d"]:
        """sqrt(n) K' t / sqrt(t' K C K' t): z is the dot product of b with it. Zero along what does not vary."""
        spread = self.spread(directions)
        scale = np.divide(
            np.sqrt(self.images), spread, out=np.zeros_like(spread), where=spread > _LEAST * spread.max(initial=0)
        )
        return (self._weighted(directions) * scale[:, None]).astype(np.float32)

    def overlap(
        self, directions: Float[np.ndarray, "q d"], others: Float[np.ndarray, "p d"]
    ) -> Float32[np.ndarray, "q p"]:
        """Correlation, in [-1, 1], that the effects of two directions have by chance: t' K C K' u over both spreads."""
        return np.clip(self.whitened(directions) @ self.whitened(others).T, -1, 1)

    def whitened(self, directions: Float[np.ndarray, "q d"]) -> Float32[np.ndarray, "q d"]:
        """Unit vectors whose dot products are the overlaps of the directions; of covariances b of embedding and
        activation, the similarities of these components."""
        return _unit(self._places(directions))

    def joint(
        self, cross: Float[np.ndarray, "a d"], directions: Float[np.ndarray, "q d"]
    ) -> Float32[np.ndarray, "a q"]:
        """Coefficients of the directions taken together, so that each has what the others do not explain: standard
        deviations of the activation per standard deviation of the images' similarity to the direction."""
        return np.asarray(cross, np.float32) @ self.joint_contrasts(directions).T

    def joint_contrasts(self, directions: Float[np.ndarray, "q d"]) -> Float32[np.ndarray, "q d"]:
        """What a joint coefficient is the dot product of b with: ridge regression on the similarities to all directions
        T, with S = T C T', has the coefficients (S + r I)^-1 T b, r = 0.3 tr S / q; here times the root of S's
        diagonal. Zero along what does not vary.

        (T C T' + r I)^-1 T = T (C T' T + r I)^-1, which takes no matrix of as many rows as there are directions.
        """
        wide, covariance = np.asarray(directions, np.float64), np.asarray(self.covariance, np.float64)
        variance = np.maximum(np.einsum("qd,qd->q", wide @ covariance, wide), 0)
        ridge = SHRINKAGE * variance.sum() / max(len(wide), 1)
        if ridge <= 0:
            return np.zeros(wide.shape, np.float32)
        weights = wide @ np.linalg.inv(covariance @ (wide.T @ wide) + ridge * np.eye(len(covariance)))
        return (weights * np.sqrt(variance)[:, None]).astype(np.float32)

    def similarity(
        self, cross: Float[np.ndarray, "a d"], others: Float[np.ndarray, "b d"]
    ) -> Float32[np.ndarray, "a b"]:
        """Correlation over the images, in [-1, 1], of what two components' encodings predict: w' C v over both
        lengths; 0 where one has none."""
        return self.overlap(cross, others)

    def _weighted(self, directions: Float[np.ndarray, "q d"]) -> Float32[np.ndarray, "q d"]:
        return np.asarray(directions, np.float32) @ self.inverse.astype(np.float32)

    def _places(self, directions: Float[np.ndarray, "q d"]) -> Float32[np.ndarray, "q d"]:
        """Vectors whose dot products are t' K C K' u."""
        return np.asarray(directions, np.float32) @ self._root

    @cached_property
    def _root(self) -> Float32[np.ndarray, "d d"]:
        root: Float64[np.ndarray, "d d"] = self.inverse @ _root(np.asarray(self.covariance, np.float64))
        return root.astype(np.float32)


_LEAST = 1e-6  # of the largest spread: below it a direction does not vary


def ridged(covariance: Float64[np.ndarray, "d d"]) -> Float64[np.ndarray, "d d"]:
    """C + 0.3 (tr C / d) I: a covariance with the ridge added."""
    size = len(covariance)
    return covariance + SHRINKAGE * np.trace(covariance) / max(size, 1) * np.eye(size)


def _ridge_inverse(covariance: Float64[np.ndarray, "d d"]) -> Float64[np.ndarray, "d d"]:
    """The inverse with the ridge added; zero where nothing varies."""
    return np.linalg.inv(ridged(covariance)) if np.trace(covariance) > 0 else np.zeros_like(covariance)


def _root(covariance: Float64[np.ndarray, "d d"]) -> Float64[np.ndarray, "d d"]:
    """The symmetric square root of a covariance."""
    values, axes = np.linalg.eigh(covariance)
    return (axes * np.sqrt(np.maximum(values, 0))) @ axes.T


def _unit(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows of length 1, in the precision they have; a zero row stays zero."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
