/* The latent explorer: a map of test codes; wherever the pointer is, the decoder draws its image. */

const SLIDERS = 12; // dimensions beside the two of the map
const MARGIN = { l: 52, r: 8, t: 8, b: 44 };
const STEP = 0.02; // of the map's width, for an arrow key

class Explorer {
  constructor(runs) {
    this.runs = runs;
    const { models, left_out: leftOut } = page.explorer;
    if (models.length) this.build(models);
    else add("latent-space", make("p", { class: "muted" }, "No finished run has a decoder that runs in this page."));
    const notes = Object.entries(leftOut).map(([id, why]) => make("li", {}, runLink(id, runs), `: ${why}`));
    if (notes.length) add("latent-space", make("p", {}, "Left out:"), make("ul", { class: "muted" }, ...notes));
  }

  build(models) {
    const names = models.map((model, index) => [index, `${model.run}: ${this.runs.label(model.run)}`]);
    const [label, select] = menu("run", names, (index) => this.show(models[index]));
    select.id = "model";
    this.chart = make("div", { style: "height: 100%" });
    this.pointer = make("div", { class: "pointer" });
    this.pad = make("div", { class: "pad", tabindex: "0", role: "application", id: "pad" }, this.pointer);
    const map = make("div", { class: "map" }, this.chart, this.pad);
    this.decoded = picture("decoded", "Decoded");
    this.nearest = picture("nearest", "Nearest test image");
    const pictures = make("div", { class: "pictures" }, this.decoded.element, this.nearest.element);
    this.take = make("button", { type: "button", click: () => this.goTo(this.near) }, "Go to the nearest test image");
    this.sliders = make("div", { class: "sliders" });
    this.legend = make("ul", { class: "legend", "aria-label": "Classes" });
    const help =
      "Every dot is a test image, by its code and its class. Move the pointer over the map, touch it, or " +
      "use the arrow keys: the decoder, which runs in this page, draws what it makes of the code there.";
    add("latent-space", make("p", {}, help), make("div", { class: "controls" }, label, this.take), this.legend);
    add("latent-space", make("div", { class: "explorer" }, map, pictures), this.sliders);
    this.listen();
    this.show(models[0]);
  }

  listen() {
    const point = (event) => this.point(event);
    this.pad.addEventListener("pointermove", point);
    this.pad.addEventListener("pointerdown", point);
    this.pad.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.place()).observe(this.chart);
    onScheme(() => this.drawMap());
  }

  /** Takes another model and goes to its first test image. */
  show(model) {
    this.model = model;
    this.images = page.explorer.images[model.images];
    this.pixels = this.images.bytes ||= bytes(this.images.pixels);
    this.codes = model.values ||= floats(model.codes);
    this.decode = model.decode ||= decoder(model.decoder);
    this.size = model.order.length;
    this.axes = this.size > 1 ? model.order.slice(0, 2).sort((a, b) => a - b) : [0, 0];
    this.range = this.axes.map((axis) => this.span(axis, 0.06));
    this.drawSliders();
    this.drawMap();
    this.goTo(0);
  }

  /** The range of a dimension that the test codes take, a little wider. */
  span(axis, wider) {
    const [low, high] = [this.model.low[axis], this.model.high[axis]];
    const margin = wider * (high - low) || 1;
    return [low - margin, high + margin];
  }

  drawMap() {
    const { labels, classes } = this.images;
    const known = classes.length > 0; // else all dots are of one colour
    const indices = Array.from({ length: this.codes.length / this.size }, (_, index) => index);
    const traces = (known ? classes : ["test images"]).map((name, label) => {
      const members = known ? indices.filter((index) => labels[index] === label) : indices;
      const [x, y] = this.axes.map((axis) => members.map((index) => this.codes[index * this.size + axis]));
      const marker = { size: 5, opacity: 0.7, color: classColor(label) };
      return { x, y, name: plotlyText(name), mode: "markers", marker, hoverinfo: "skip" };
    });
    const entries = classes.map((name, label) => {
      return make("li", {}, make("span", { class: "dot", style: `background: ${classColor(label)}` }), name);
    });
    this.legend.replaceChildren(...entries);
    const [x, y] = this.axes.map((axis) => `latent dimension ${axis + 1}`);
    const [xaxis, yaxis] = this.range.map((range) => ({ range, fixedrange: true, zeroline: false }));
    const changes = { margin: MARGIN, xaxis, yaxis, dragmode: false, showlegend: false };
    Plotly.react(this.chart, traces, layout(changes, x, y), CONFIG);
  }

  drawSliders() {
    const others = this.model.order.filter((axis) => !this.axes.includes(axis)).slice(0, SLIDERS);
    this.inputs = others.map((axis) => {
      const [min, max] = this.span(axis, 0.2);
      const input = make("input", { type: "range", min, max, step: (max - min) / 200, "data-axis": axis });
      input.addEventListener("input", () => this.change(axis, Number(input.value)));
      return { axis, input, output: make("output") };
    });
    const labels = this.inputs.map(({ axis, input, output }) => {
      const told = `dimension ${axis + 1} (variance ${shown(this.model.activity[axis])})`;
      return make("label", {}, told, output, input);
    });
    const left = this.size - new Set(this.axes).size - others.length;
    const note = left ? [make("p", { class: "muted" }, `The ${left} least active dimensions stay as they are.`)] : [];
    const title = others.length ? [make("h3", {}, "Other dimensions, the most active first")] : [];
    this.sliders.replaceChildren(...title, ...labels, ...note);
  }

  /** Goes to the code of a test image. */
  goTo(index) {
    this.code = this.codes.slice(index * this.size, (index + 1) * this.size);
    this.update();
  }

  change(axis, value) {
    this.code[axis] = value;
    this.update();
  }

  point(event) {
    const box = this.pad.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height];
    this.move(x, y);
  }

  key(event) {
    const steps = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const [x, y] = this.axes.map((axis, i) => this.share(axis, i) + steps[event.key][i]);
    this.move(x, y);
  }

  /** Where the code is on the map, from 0 to 1 along one of its sides. */
  share(axis, side) {
    const [low, high] = this.range[side];
    return (this.code[axis] - low) / (high - low);
  }

  /** Moves to a place of the map, given from 0 to 1 along both sides. */
  move(...shares) {
    shares.slice(0, this.size).forEach((share, side) => {
      const [low, high] = this.range[side];
      this.code[this.axes[side]] = low + Math.min(Math.max(share, 0), 1) * (high - low);
    });
    this.update();
  }

  /** Draws everything that depends on the code. */
  update() {
    const image = this.decode(this.code);
    const pixels = image.data.map((mean) => Math.round(255 * Math.min(Math.max(mean, 0), 1)));
    paint(this.decoded, pixels, image.shape.slice(1));
    this.near = this.nearestCode();
    const size = count(this.images.shape);
    paint(this.nearest, this.pixels.subarray(this.near * size, (this.near + 1) * size), this.images.shape);
    const place = this.axes.map((axis) => this.code[axis].toFixed(2)).join(", ");
    this.decoded.caption.textContent = `Decoded at (${place})`;
    const name = this.images.classes[this.images.labels[this.near]];
    const told = name === undefined ? "" : `, class ${name}`;
    this.nearest.caption.textContent = `Nearest test image: number ${this.near}${told}`;
    for (const { axis, input, output } of this.inputs) {
      input.value = this.code[axis];
      output.textContent = this.code[axis].toFixed(2);
    }
    this.pad.setAttribute("aria-label", `Latent map, at ${place}; arrow keys move`);
    this.place();
  }

  /** The test image whose code is nearest in all dimensions. */
  nearestCode() {
    let [best, least] = [0, Infinity];
    for (let index = 0; index * this.size < this.codes.length; index++) {
      let distance = 0;
      for (let axis = 0; axis < this.size; axis++)
        distance += (this.codes[index * this.size + axis] - this.code[axis]) ** 2;
      if (distance < least) [best, least] = [index, distance];
    }
    return best;
  }

  /** Lays the pad over the map's inside, and the pointer on the code. */
  place() {
    const { clientWidth: width, clientHeight: height } = this.chart;
    const inside = { width: width - MARGIN.l - MARGIN.r, height: height - MARGIN.t - MARGIN.b };
    const box = { left: MARGIN.l, top: MARGIN.t, ...inside };
    for (const [side, pixels] of Object.entries(box)) this.pad.style[side] = `${pixels}px`;
    const [x, y] = this.axes.map((axis, side) => this.share(axis, side));
    Object.assign(this.pointer.style, { left: `${100 * x}%`, top: `${100 * (1 - y)}%` });
  }
}
