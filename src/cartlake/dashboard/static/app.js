"use strict";
// Curves that answer to the pointer and the keyboard, drawn from the table of numbers that stands below each of them.
// Without this file the page shows the same curve as a picture.
(() => {
  const drawn = new Map();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function numbers(figure) {
    const rows = [...figure.querySelectorAll("tbody tr")];
    const columns = [...figure.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
    const days = rows.map((row) => Date.parse(row.cells[0].textContent.trim()) / 1000);
    const values = columns.slice(1).map((_, place) => rows.map((row) => Number(row.cells[place + 1].dataset.value)));
    return { columns, data: [days, ...values] };
  }

  function draw(figure) {
    const plot = figure.querySelector(".plot");
    const { columns, data } = numbers(figure);
    if (data[0].length < 2) return;
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const compact = new Intl.NumberFormat("en", { notation: "compact" });
    const format = { format: (number) => compact.format(number).replace("K", "k") };
    const series = columns.slice(1).map((label, place) => ({
      label, width: 2, stroke: colour("--accent"), fill: place ? undefined : colour("--area"), show: place === 0,
      value: (_, value) => (value === null ? "–" : value.toLocaleString("en")),
    }));
    const options = {
      width: plot.clientWidth, height: plot.clientHeight, padding: [8, 24, 0, 0], series: [{ value: "{YYYY}-{MM}-{DD}" }, ...series],
      tzDate: (stamp) => uPlot.tzDate(new Date(stamp * 1e3), "Etc/UTC"),
      axes: [{ ...axis, size: 28, incrs: [1, 2, 7, 14, 28, 91, 182, 365].map((days) => days * 86400), grid: { show: false }, values: (_, ticks) => ticks.map((tick) => new Date(tick * 1e3).toISOString().slice(5, 10)) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => format.format(tick)) }],
      cursor: { drag: { x: true, y: false } }, legend: { show: false }, scales: { y: { range: (_, low, high) => [Math.min(0, low), high || 1] } },
      hooks: { setCursor: [(chart) => tell(figure, chart)] },
    };
    drawn.get(figure)?.destroy();
    plot.querySelector("svg")?.setAttribute("hidden", "");
    figure.querySelectorAll(".scale").forEach((scale) => scale.setAttribute("hidden", ""));
    drawn.set(figure, new uPlot(options, data, plot));
  }

  function tell(figure, chart) {
    const place = chart.cursor.idx;
    const said = figure.querySelector(".said");
    if (!said || place === null || place === undefined) return;
    const day = new Date(chart.data[0][place] * 1e3).toISOString().slice(0, 10);
    const values = chart.series.slice(1).map((one, number) => `${one.label} ${chart.data[number + 1][place].toLocaleString("en")}`);
    said.textContent = `${day}: ${values.join(", ")}`;
  }

  function drawAll() {
    for (const figure of drawn.keys()) if (!figure.isConnected) { drawn.get(figure).destroy(); drawn.delete(figure); }
    document.querySelectorAll("figure[data-chart]").forEach(draw);
  }

  function setAll(event) {
    const all = event.target.closest("[data-all]");
    if (all) all.form.querySelectorAll("input[name=id]").forEach((box) => { box.checked = all.checked; });
  }

  addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:afterSettle", drawAll);
  document.addEventListener("change", setAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(drawAll, 150); });
})();
