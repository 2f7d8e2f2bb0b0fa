/* What both charts share: Plotly in the colours of the page. */

const CONFIG = { displayModeBar: false, responsive: true };

/** Text for Plotly, which reads some tags and entities in labels. */
function plotlyText(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function layout(changes, xTitle, yTitle) {
  const colors = getComputedStyle(document.documentElement);
  const [text, line] = ["--text", "--line"].map((name) => colors.getPropertyValue(name).trim());
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: false };
  const title = (words) => ({ text: plotlyText(words), font: { size: 13 } });
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", color: text, size: 12 },
    hoverlabel: { namelength: -1 },
    ...changes,
    xaxis: { ...axis, title: title(xTitle), ...changes.xaxis },
    yaxis: { ...axis, title: title(yTitle), ...changes.yaxis },
  };
}

/** Calls `draw` when the page turns dark or light. */
function onScheme(draw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
