/* The table of runs: sorted by any column, filtered by words, conditions and menus. */

const LIMIT = 500; // rows that are drawn at once
const CONDITION = /^([^\s<>=!]+)(<=|>=|!=|=|<|>)(.*)$/;
const COMPARE = {
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
};

/** Returns whether a run fits a query: words, and conditions such as latent_size=2 or test/mse<0.02. */
function matcher(query) {
  const tests = query.split(/\s+/).filter(Boolean).map((word) => {
    const parts = CONDITION.exec(word);
    if (!parts) return (run) => Object.values(run).some((value) => holds(value, word));
    const [, name, sign, wanted] = parts;
    if (COMPARE[sign])
      return (run) => typeof run[name] === "number" && wanted !== "" && COMPARE[sign](run[name], Number(wanted));
    const values = wanted.split("|");
    return (run) => name in run && values.includes(String(run[name])) === (sign === "=");
  });
  return (run) => tests.every((test) => test(run));
}

function holds(value, word) {
  return String(value).toLowerCase().includes(word.toLowerCase());
}

/** Numbers by size, then text; what is missing comes last in either direction. */
function compare(a, b, sign) {
  const missing = [a, b].map((value) => value === null || value === undefined);
  if (missing[0] || missing[1]) return missing[0] - missing[1];
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), undefined, { numeric: true });
}

class Runs {
  constructor(changed) {
    this.changed = changed;
    this.rows = page.table.rows;
    this.byId = new Map(this.rows.map((run) => [run.id, run]));
    this.fields = Object.keys(page.table.fields).filter((name) => this.values(name).length > 1);
    const status = this.values("status").length > 1 ? ["status"] : [];
    this.columns = ["id", ...status, ...this.fields, ...Object.keys(page.table.metrics)];
    this.numbers = new Set(this.columns.filter((name) => this.isNumber(name)));
    this.chosen = []; // ids, in the order in which they were chosen
    this.picked = {};
    this.sort = { column: "", sign: 1 }; // at first by all fields, from the first on
    this.rows.sort((a, b) => this.fields.reduce((order, name) => order || compare(a[name], b[name], 1), 0));
    this.draw();
  }

  values(name) {
    return [...new Set(this.rows.map((run) => run[name]))].sort((a, b) => compare(a, b, 1));
  }

  /** What tells a run from others: its fields that differ among them. */
  label(id, others = [...this.byId.keys()]) {
    const [run, rows] = [this.byId.get(id), others.map((other) => this.byId.get(other))];
    const names = this.fields.filter((name) => rows.some((row) => row[name] !== run[name]));
    return names.map((name) => `${name}=${shown(run[name])}`).join(" ") || id;
  }

  draw() {
    const hint = "words, or latent_size=2 test/mse<0.02 status!=completed";
    this.query = make("input", { type: "search", id: "query", placeholder: hint, "aria-label": "Filter runs" });
    this.query.addEventListener("input", () => this.update());
    this.count = make("span", { class: "muted", role: "status" });
    const all = make("button", { type: "button", click: () => this.choose(this.found.map((run) => run.id)) });
    all.append("Curves of these");
    const none = make("button", { type: "button", click: () => this.choose([]) }, "No curves");
    this.body = make("tbody");
    this.heads = this.columns.map((name) => this.head(name));
    const corner = make("th", { scope: "col" }, "curve");
    const table = make("table", {}, make("thead", {}, make("tr", {}, corner, ...this.heads)), this.body);
    const scroll = { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of runs" };
    const controls = make("div", { class: "controls" }, this.query, all, none, this.count);
    add("runs", ...this.differences(), controls, make("div", scroll, table));
    this.update();
  }

  differences() {
    const together = Object.entries(page.table.fields).filter(([, others]) => others.length);
    const notes = together.map(([name, others]) => `${name} (and with it ${others.join(", ")})`);
    const differ = this.fields.length ? this.fields.join(", ") : "nothing";
    const told = [make("p", {}, `The configs differ in ${differ}.`)];
    if (notes.length) told.push(make("p", { class: "muted" }, `These vary together: ${notes.join("; ")}.`));
    const same = Object.entries(page.table.same).map(([name, value]) => `${name} = ${shown(value)}`);
    const summary = make("summary", {}, "What is the same in all of them");
    told.push(make("details", { class: "muted" }, summary, make("p", {}, same.join(", "))), make("p"));
    return told;
  }

  head(name) {
    const title = page.table.metrics[name] || name;
    const sort = { type: "button", title: "Sort by " + title, click: () => this.sortBy(name) };
    const button = make("button", sort, name);
    const head = make("th", { scope: "col", class: this.numbers.has(name) ? "number" : "" }, button);
    const values = this.fields.includes(name) || name === "status" ? this.values(name) : [];
    if (values.length > 1 && values.length <= 20) {
      const options = values.map((value, index) => make("option", { value: index }, shown(value)));
      const any = make("option", { value: "" }, "any");
      const select = make("select", { "aria-label": "Only " + name }, any, ...options);
      select.addEventListener("change", () => {
        this.picked[name] = select.value === "" ? undefined : { value: values[select.value] };
        this.update();
      });
      head.append(select);
    }
    return head;
  }

  isNumber(name) {
    return this.rows.some((run) => typeof run[name] === "number");
  }

  sortBy(column) {
    this.sort = { column, sign: this.sort.column === column ? -this.sort.sign : 1 };
    this.update();
  }

  /** Filters, sorts and draws the rows anew. */
  update() {
    const fits = matcher(this.query.value);
    const picked = Object.entries(this.picked).filter(([, one]) => one);
    const { column, sign } = this.sort;
    this.found = this.rows
      .filter((run) => fits(run) && picked.every(([name, one]) => run[name] === one.value))
      .sort((a, b) => compare(a[column], b[column], sign));
    this.body.replaceChildren(...this.found.slice(0, LIMIT).map((run) => this.row(run)));
    const more = this.found.length > LIMIT ? `, the first ${LIMIT} shown` : "";
    this.count.textContent = `${this.found.length} of ${this.rows.length} runs${more}`;
    this.heads.forEach((head, index) => {
      const order = sign > 0 ? "ascending" : "descending";
      head.setAttribute("aria-sort", this.columns[index] === column ? order : "none");
    });
  }

  row(run) {
    const label = "Curve of run " + run.id;
    const place = this.chosen.indexOf(run.id);
    const box = make("input", { type: "checkbox", "aria-label": label });
    box.checked = place >= 0;
    const style = place >= 0 ? `--curve: ${curveColor(place)}` : undefined;
    const cells = this.columns.map((name) => this.cell(name, run[name]));
    const attributes = { id: "run-" + run.id, class: place >= 0 ? "chosen" : "", style };
    const toggle = () => this.toggle(run.id);
    return make("tr", { ...attributes, click: toggle }, make("td", {}, box), ...cells);
  }

  cell(name, value) {
    const kind = name === "id" ? "id" : this.numbers.has(name) ? "number" : "";
    return make("td", { class: kind, title: String(value ?? "") }, shown(value));
  }

  /** Chooses a run, or no longer, and leaves the focus where it was. */
  toggle(id) {
    const others = this.chosen.filter((one) => one !== id);
    this.choose(others.length < this.chosen.length ? others : [...others, id]);
    const box = document.querySelector(`#run-${id} input`);
    if (box) box.focus({ preventScroll: true });
  }

  /** Chooses the runs whose curves are drawn. */
  choose(ids) {
    this.chosen = ids;
    this.update();
    this.changed(ids);
  }

  /** Filters down to some runs and goes to the table. */
  only(ids) {
    this.clear("id=" + ids.join("|"));
    document.getElementById("runs").scrollIntoView();
  }

  /** Goes to the row of one run. */
  reveal(id) {
    this.clear("");
    if (!document.getElementById("run-" + id)) this.clear("id=" + id);
    location.hash = "run-" + id;
    document.getElementById("run-" + id)?.scrollIntoView({ block: "center" });
  }

  clear(query) {
    this.picked = {};
    for (const head of this.heads) for (const select of head.querySelectorAll("select")) select.value = "";
    this.query.value = query;
    this.update();
  }
}
