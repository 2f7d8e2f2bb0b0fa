/* The tables of claims, and the figures. */

const MARKS = { reproduced: "✓", "not reproduced": "✗", inconclusive: "?" };

function drawClaims() {
  if (!page.claims.length) add("claims", make("p", { class: "muted" }, "No study has been run here."));
  for (const { folder, claims } of page.claims) {
    const heads = ["claim", "measured (95% CI over seeds)", "holds if", "verdict"];
    const head = make("tr", {}, ...heads.map((text, i) => make("th", { scope: "col", class: number(i) }, text)));
    const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...claims.map(claimRow)));
    const scroll = { class: "scroll", tabindex: "0", role: "region", "aria-label": "Claims: " + folder };
    add("claims", make("h3", {}, folder), make("div", scroll, table));
  }
}

function number(column) {
  return column === 1 || column === 2 ? "number" : "";
}

function claimRow(claim) {
  const study = make("div", { class: "muted" }, `${shown(claim.study)}, ${shown(claim.seeds)} seeds`);
  const mark = `${MARKS[claim.verdict] || "–"} ${claim.verdict}`;
  const verdict = claim.verdict === "reproduced" ? "verdict reproduced" : "verdict";
  return make(
    "tr",
    {},
    make("td", {}, shown(claim.claim), study),
    make("td", { class: "number" }, claim.measured),
    make("td", { class: "number" }, shown(claim.bound)),
    make("td", { class: verdict }, mark),
  );
}

function drawFigures(runs) {
  if (!page.figures.length) add("figures", make("p", { class: "muted" }, "No figure has been drawn here."));
  for (const figure of page.figures) add("figures", figureElement(figure, runs));
}

function figureElement(figure, runs) {
  const title = `${figure.name.replaceAll("_", " ")}, ${figure.folder}`;
  const image = { src: "data:image/png;base64," + figure.png, alt: `${title}. ${figure.question}` };
  const caption = make("figcaption", {}, figure.question, " ", make("code", {}, figure.path));
  if (figure.runs.length) {
    const links = figure.runs.map((id) => runLink(id, runs));
    const show = make("button", { type: "button", click: () => runs.only(figure.runs) }, "Show them in the table");
    const count = make("summary", {}, `Drawn from ${figure.runs.length} runs`);
    caption.append(make("details", {}, count, make("div", { class: "ids" }, ...links), show));
  }
  return make("figure", {}, make("h3", {}, title), make("img", image), caption);
}

/** A link to a run's row, which shows it whatever is filtered. */
function runLink(id, runs) {
  const go = (event) => {
    event.preventDefault();
    runs.reveal(id);
  };
  return make("a", { href: "#run-" + id, class: "id", click: go }, id);
}
