/* Metrics of the chosen runs, epoch by epoch. */

const CURVES = 60; // that are drawn at once
const NAMES = 200; // pixels for the names of all curves, which scroll if they need more
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];

/** The colour of a curve by its place among those that are drawn. */
function curveColor(index) {
  return page.colors[index % page.colors.length];
}

class Curves {
  constructor() {
    const names = new Set(Object.values(page.curves).flatMap((curve) => Object.keys(curve)));
    this.axes = ["epoch", "seconds"].filter((name) => names.has(name));
    this.metrics = [...names].filter((name) => !this.axes.includes(name));
    const rank = (name) => ["valid/loss", "train/loss", name].indexOf(name);
    this.metrics.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
    this.ids = [];
  }

  draw(runs) {
    this.runs = runs;
    if (!this.metrics.length) {
      add("curves", make("p", { class: "muted" }, "No run has finished an epoch yet."));
      return;
    }
    const same = (name) => [name, name];
    const update = () => this.update();
    const [metricLabel, metric] = menu("metric", this.metrics.map(same), update);
    const [axisLabel, axis] = menu("against", this.axes.map(same), update);
    this.metric = metric;
    this.axis = axis;
    this.log = make("input", { type: "checkbox", change: update });
    this.note = make("p", { class: "muted", role: "status" });
    this.chart = make("div", { id: "curve-chart", role: "img", "aria-label": "Curves of the chosen runs" });
    const controls = make("div", { class: "controls" }, metricLabel, axisLabel);
    controls.append(make("label", {}, this.log, "logarithmic"));
    add("curves", controls, this.note, this.chart);
    onScheme(update);
  }

  show(ids) {
    this.ids = ids.filter((id) => page.curves[id]);
    if (this.chart) this.update();
  }

  update() {
    const ids = this.ids.slice(0, CURVES);
    const left = this.ids.length - ids.length;
    const more = left ? ` The first ${CURVES} of ${this.ids.length} are drawn.` : "";
    const without = ids.filter((id) => !page.curves[id][this.metric.value]).length;
    const missing = without ? ` ${without} of these have no ${this.metric.value}.` : "";
    this.note.textContent = "Tick runs in the table above to compare their curves." + more + missing;
    const traces = ids.map((id, index) => this.trace(id, index));
    const names = Math.min(19 * ids.length + 10, NAMES);
    const legend = { x: 0, y: 0, yref: "container", yanchor: "bottom", maxheight: names, font: { size: 11 } };
    const margin = { l: 60, r: 10, t: 10, b: names + 55 };
    const yaxis = { type: this.log.checked ? "log" : "linear", automargin: true };
    this.chart.style.height = `${margin.b + 330}px`;
    const changes = { margin, legend, yaxis, showlegend: true, hovermode: "closest" };
    Plotly.react(this.chart, traces, layout(changes, this.axis.value, this.metric.value), CONFIG);
  }

  trace(id, index) {
    const curve = page.curves[id];
    return {
      x: curve[this.axis.value],
      y: curve[this.metric.value] || [],
      name: plotlyText(this.runs.label(id, this.ids)),
      mode: curve.epoch.length > 1 ? "lines" : "markers",
      line: {
        color: curveColor(index),
        dash: DASHES[Math.floor(index / page.colors.length) % DASHES.length],
        width: 1.8,
      },
    };
  }
}
