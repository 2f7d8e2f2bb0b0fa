/* Runs the program that vae_jax/page/program.py makes of a decoder: the steps of its jaxpr.
   A value is {shape, data}: a Float32Array in row-major order; truth is 1 or 0. */

const ELEMENTWISE = {
  abs: Math.abs,
  add: (a, b) => a + b,
  convert_element_type: (a) => a,
  copy: (a) => a,
  div: (a, b) => a / b,
  eq: (a, b) => a === b,
  exp: Math.exp,
  expm1: Math.expm1,
  ge: (a, b) => a >= b,
  gt: (a, b) => a > b,
  integer_pow: (a, _b, _c, step) => a ** step.y,
  le: (a, b) => a <= b,
  log: Math.log,
  log1p: Math.log1p,
  logistic: (a) => 1 / (1 + Math.exp(-a)),
  lt: (a, b) => a < b,
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
  mul: (a, b) => a * b,
  ne: (a, b) => a !== b,
  neg: (a) => -a,
  select_n: (which, a, b) => (which ? b : a),
  sign: Math.sign,
  sqrt: Math.sqrt,
  square: (a) => a * a,
  stop_gradient: (a) => a,
  sub: (a, b) => a - b,
  tanh: Math.tanh,
};

const STEPS = {
  reshape: (step, x) => x.data,
  squeeze: (step, x) => x.data,
  expand_dims: (step, x) => x.data,
  broadcast_in_dim: (step, x) => {
    const strides = step.shape.map(() => 0);
    const own = stridesOf(x.shape);
    step.broadcast_dimensions.forEach((to, from) => {
      if (x.shape[from] > 1) strides[to] = own[from];
    });
    return gather(x.data, step.shape, strides, 0);
  },
  transpose: (step, x) => {
    const own = stridesOf(x.shape);
    return gather(x.data, step.shape, step.permutation.map((axis) => own[axis]), 0);
  },
  slice: (step, x) => {
    const own = stridesOf(x.shape);
    const start = own.reduce((sum, stride, axis) => sum + stride * step.start_indices[axis], 0);
    const strides = own.map((stride, axis) => stride * (step.strides ? step.strides[axis] : 1));
    return gather(x.data, step.shape, strides, start);
  },
  dot_general: matrixProduct,
  conv_general_dilated: convolution,
};

/** Returns the function of a program: code (an array of numbers) -> {shape, data} of the image. */
function decoder(program) {
  const constants = program.constants.map(({ shape, data }) => ({ shape, data: floats(data) }));
  return (code) => {
    const values = [{ shape: [1, code.length], data: Float32Array.from(code) }, ...constants];
    for (const step of program.steps) values.push({ shape: step.shape, data: run(step, values) });
    return values[values.length - 1];
  };
}

function run(step, values) {
  const inputs = step.in.map((number) => values[number]);
  return STEPS[step.op] ? STEPS[step.op](step, ...inputs) : elementwise(step, inputs);
}

function elementwise(step, inputs) {
  const f = ELEMENTWISE[step.op];
  const out = new Float32Array(count(step.shape));
  const [a, b, c] = inputs.map((input) => fitted(input, step.shape));
  for (let i = 0; i < out.length; i++) out[i] = f(a[i], b && b[i], c && c[i], step);
  return out;
}

/** Repeats a value along its axes of size 1, as NumPy does, to fill `shape`. */
function fitted({ shape, data }, target) {
  if (data.length === count(target)) return data;
  if (data.length === 1) return new Float32Array(count(target)).fill(data[0]);
  const strides = stridesOf(shape).map((stride, axis) => (shape[axis] > 1 ? stride : 0));
  return gather(data, target, strides, 0);
}

function count(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

function stridesOf(shape) {
  return shape.map((_, axis) => count(shape.slice(axis + 1)));
}

/** Reads the elements start + Σ index·stride of `data`, in the order of `shape`. */
function gather(data, shape, strides, start) {
  const out = new Float32Array(count(shape));
  let at = 0;
  const visit = (axis, from) => {
    if (axis === shape.length) out[at++] = data[from];
    else for (let i = 0; i < shape[axis]; i++) visit(axis + 1, from + i * strides[axis]);
  };
  visit(0, start);
  return out;
}

function matrixProduct(step, { shape: [rows, inner], data: a }, { data: b }) {
  const columns = step.shape[1];
  const out = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const sums = out.subarray(row * columns, (row + 1) * columns);
    for (let i = 0; i < inner; i++) {
      const factor = a[row * inner + i];
      for (let j = 0; j < columns; j++) sums[j] += factor * b[i * columns + j];
    }
  }
  return out;
}

/** Where along one axis an output and a kernel position look into the input; -1: at padding or a hole. */
function source(step, axis, size, position, tap) {
  const spread = position * step.window_strides[axis] + tap * step.rhs_dilation[axis] - step.padding[axis][0];
  const at = spread / step.lhs_dilation[axis];
  return Number.isInteger(at) && at >= 0 && at < size ? at : -1;
}

/** Images 1xHxWxC, kernels HxWxIxO. */
function convolution(step, { shape: [, height, width, channels], data: x }, { shape: kernel, data: weights }) {
  const [, rows, columns, features] = step.shape;
  const out = new Float32Array(rows * columns * features);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) {
      const sums = out.subarray((r * columns + c) * features, (r * columns + c + 1) * features);
      for (let i = 0; i < kernel[0]; i++)
        for (let j = 0; j < kernel[1]; j++) {
          const [row, column] = [source(step, 0, height, r, i), source(step, 1, width, c, j)];
          if (row < 0 || column < 0) continue;
          for (let k = 0; k < channels; k++) {
            const factor = x[(row * width + column) * channels + k];
            const from = ((i * kernel[1] + j) * channels + k) * features;
            for (let f = 0; f < features; f++) sums[f] += factor * weights[from + f];
          }
        }
    }
  return out;
}
