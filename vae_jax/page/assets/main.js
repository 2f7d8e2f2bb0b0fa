/* Fills the page. */

const FIRST_CURVES = 8; // that are drawn before any run is chosen

function summary() {
  const counts = {};
  for (const { status } of page.table.rows) counts[status] = (counts[status] || 0) + 1;
  const parts = Object.entries(counts).map(([status, count]) => `${count} ${status}`);
  if (page.damaged.length) parts.push(`${page.damaged.length} damaged (${page.damaged.join(", ")})`);
  const total = page.table.rows.length;
  return `${total} ${total === 1 ? "run" : "runs"}: ${parts.join(", ")}.`;
}

document.getElementById("summary").textContent = summary();
const curves = new Curves();
const runs = new Runs((ids) => curves.show(ids));
drawClaims();
drawFigures(runs);
const explorer = new Explorer(runs);
curves.draw(runs);
const first = Math.min(...page.table.rows.map((run) => run.seed));
const drawn = page.table.rows.filter((run) => run.seed === first && page.curves[run.id]);
runs.choose(drawn.slice(0, FIRST_CURVES).map((run) => run.id));
if (location.hash.startsWith("#run-")) runs.reveal(location.hash.slice("#run-".length));
