"""A decoder as a program that another language can run: the steps of its jaxpr, and its weights.

What the page computes is what JAX computes, whatever the net: its primitives are translated, not
its class. A net with a primitive that the page does not know has no program.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from vae_jax.model import Autoencoder

CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr"}
NHWC = ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))  # images, kernels HWIO, outputs


class UnknownStepError(Exception):
    """The decoder does something that the page cannot do; the message says what."""


class Step(NamedTuple):
    """One equation of a jaxpr, its inputs (arrays, or the `result` of others) and its result."""

    equation: core.JaxprEqn
    inputs: list[Any]
    result: object


def program(model: Autoencoder, variables: Mapping[str, Any], latent_size: int) -> dict[str, Any]:
    """Returns the map from a code, 1xZ, to the mean of p(x|z), 1xHxWxC, as a JSON-able value.

    Returns:
      `constants`: of each, its shape and its float32 in base64. `steps`: of each, the name `op` of
      its primitive, the numbers `in` of what it takes (0 is the code, then come the constants,
      then the steps' results), the `shape` of its result, and the primitive's own parameters.
      The last step makes the image.

    Raises:
      UnknownStepError: a primitive, or a use of one, that the page does not know.
    """

    def mean(z: jax.Array) -> jax.Array:
        return model.apply(variables, z, method="decode").mean

    closed = jax.make_jaxpr(mean)(jax.ShapeDtypeStruct((1, latent_size), jnp.float32))
    if (channels := closed.out_avals[0].shape[-1]) not in (1, 3):
        raise UnknownStepError(f"images of {channels} channels")
    code = object()
    steps, (image,) = _flat(closed.jaxpr, [*closed.consts, code])
    return _numbered(_needed(steps, image), code)


def size(program: Mapping[str, Any]) -> int:
    """Returns the bytes that a program's weights take in the page."""
    return sum(len(constant["data"]) for constant in program["constants"])


def encoded(array: np.ndarray) -> str:
    """Returns little-endian float32 in base64."""
    return base64.b64encode(np.asarray(array, "<f4").tobytes()).decode()


def _flat(jaxpr: core.Jaxpr, arguments: Sequence[Any]) -> tuple[list[Step], list[Any]]:
    """Returns the steps of a jaxpr, those of jaxprs inside it among them, and its results."""
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], arguments, strict=True))
    steps = []

    def value(variable: Any) -> Any:
        return variable.val if isinstance(variable, core.Literal) else values[variable]

    for equation in jaxpr.eqns:
        inputs = [value(variable) for variable in equation.invars]
        if inner := _inner(equation):
            given = inputs[len(inputs) - len(inner.jaxpr.invars) :]  # without the index of a platform
            inside, results = _flat(inner.jaxpr, [*inner.consts, *given])
            steps += inside
        else:
            if len(equation.outvars) != 1:
                raise UnknownStepError(f"the operation '{equation.primitive.name}', of several results")
            results = [object()]
            steps.append(Step(equation, inputs, results[0]))
        values |= zip(equation.outvars, results, strict=True)
    return steps, [value(variable) for variable in jaxpr.outvars]


def _inner(equation: core.JaxprEqn) -> core.ClosedJaxpr | None:
    """Returns the jaxpr that an equation calls: of forms for several platforms, the one for any."""
    params = equation.params
    if platforms := params.get("branches_platforms"):
        return params["branches"][platforms.index(None)]
    return params.get(CALLS.get(equation.primitive.name))


def _needed(steps: Sequence[Step], result: object) -> list[Step]:
    """Returns the steps that `result` depends on, in order."""
    wanted, kept = {id(result)}, []
    for step in reversed(steps):
        if id(step.result) in wanted:
            kept.append(step)
            wanted |= {id(value) for value in step.inputs}
    return kept[::-1]


def _numbered(steps: Sequence[Step], code: object) -> dict[str, Any]:
    made = {id(code), *(id(step.result) for step in steps)}
    arrays = {id(v): v for step in steps for v in step.inputs if id(v) not in made}
    order = [id(code), *arrays, *(id(step.result) for step in steps)]
    numbers = {identity: number for number, identity in enumerate(order)}
    constants = [{"shape": np.shape(array), "data": encoded(array)} for array in arrays.values()]
    return {"constants": constants, "steps": [_step(step, numbers) for step in steps]}


def _step(step: Step, numbers: Mapping[int, int]) -> dict[str, Any]:
    name, result = step.equation.primitive.name, step.equation.outvars[0].aval
    if name not in PARAMETERS:
        raise UnknownStepError(f"the operation '{name}'")
    if result.dtype not in (jnp.float32, jnp.bool_):
        raise UnknownStepError(f"numbers of type {result.dtype}")
    inputs, own = [numbers[id(value)] for value in step.inputs], PARAMETERS[name](step.equation.params)
    if name == "dot_general" and result.ndim != 2:
        raise UnknownStepError(f"a product of {result.ndim} axes")
    return {"op": name, "in": inputs, "shape": result.shape, **own}


def _none(params: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _only(*names: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda params: {name: params[name] for name in names}


def _dense(params: Mapping[str, Any]) -> dict[str, Any]:
    """A matrix product, rows of the first by columns of the second, is all that there is."""
    if params["dimension_numbers"] != (((1,), (0,)), ((), ())):
        raise UnknownStepError(f"a dot_general over {params['dimension_numbers']}")
    return {}


def _convolution(params: Mapping[str, Any]) -> dict[str, Any]:
    numbers = params["dimension_numbers"]
    layout = (numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec)
    if layout != NHWC or params["feature_group_count"] != 1 or params["batch_group_count"] != 1:
        raise UnknownStepError("a convolution in groups, or not of NHWC by HWIO")
    return _only("window_strides", "padding", "lhs_dilation", "rhs_dilation")(params)


# Every primitive that decoder.js knows, and what it needs to know of one's parameters.
PARAMETERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    **dict.fromkeys(("abs", "add", "div", "eq", "exp", "expm1", "ge", "gt", "le", "log", "log1p"), _none),
    **dict.fromkeys(("logistic", "lt", "max", "min", "mul", "ne", "neg", "select_n", "sign"), _none),
    **dict.fromkeys(("sqrt", "square", "sub", "tanh", "copy", "convert_element_type"), _none),
    **dict.fromkeys(("reshape", "squeeze", "expand_dims", "stop_gradient"), _none),
    "integer_pow": _only("y"),
    "broadcast_in_dim": _only("broadcast_dimensions"),
    "transpose": _only("permutation"),
    "slice": _only("start_indices", "strides"),
    "dot_general": _dense,
    "conv_general_dilated": _convolution,
}
