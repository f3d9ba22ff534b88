// Draws each chart from the table beside it: the columns with data-series, in the colour of their headings. A bar links to
// the list of the copies that it counts, like the link in its cell or row.

/** @type {any} */
const Chart = /** @type {any} */ (window).Chart;

/** @param {Element} element @param {string} name */
const colour = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();

/** @param {string | null | undefined} text */
const number = (text) => Number((text ?? "").replaceAll(",", ""));

/** @param {number} value in seconds */
function duration(value) {
  if (value < 60) return `${value} s`;
  return value < 3600 ? `${value / 60} min` : `${value / 3600} h`;
}

/** Ticks of a logarithmic axis that are round to people. */
const DURATIONS = [0.1, 1, 10, 60, 600, 3_600, 36_000, 86_400];

/** Reads the data of a chart from its table. @param {Element} figure */
function read(figure) {
  const rows = [...figure.querySelectorAll("tbody tr")];
  // The table begins with the latest row, but in the chart time runs to the right.
  if (figure.getAttribute("data-chart") === "stacked") rows.reverse();
  const shown = figure.getAttribute("data-chart") === "bars" ? rows.slice(0, 12) : rows;
  const cells = shown.map((row) => [...row.children]);
  const heads = [...figure.querySelectorAll("thead th")];
  const columns = heads.map((head, place) => ({ head, place })).filter(({ head }) => head.hasAttribute("data-series"));
  /** @param {Element} cell @param {Element} first */
  const link = (cell, first) => (cell.querySelector("a") ?? first.querySelector("a"))?.href ?? "";
  return {
    labels: cells.map(([first]) => first.textContent?.trim() ?? ""),
    sets: columns.map(({ head, place }) => ({
      label: head.textContent ?? "",
      head,
      texts: cells.map((row) => row[place].textContent ?? ""),
      values: cells.map((row) => number(row[place].getAttribute("data-number") ?? row[place].textContent)),
      links: cells.map((row) => link(row[place], row[0])),
    })),
  };
}

/** @param {Element} figure */
function draw(figure) {
  const kind = figure.getAttribute("data-chart");
  const { labels, sets } = read(figure);
  const lies = kind === "bars";
  const numbers = sets.flatMap((set) => set.values);
  const [lowest, highest] = [Math.min(...numbers), Math.max(...numbers)];
  const grid = { color: colour(figure, "--line") };
  const values = {
    grid,
    beginAtZero: true,
    stacked: kind === "stacked" || lies,
    border: { display: false },
    ticks: { precision: 0 },
    ...(kind === "durations" && {
      type: "logarithmic",
      beginAtZero: false,
      min: DURATIONS.findLast((value) => value < lowest) ?? DURATIONS[0],
      max: DURATIONS.find((value) => value >= highest) ?? highest,
      afterBuildTicks: (/** @type {any} */ axis) => {
        axis.ticks = DURATIONS.filter((value) => value >= axis.min && value <= axis.max).map((value) => ({ value }));
      },
      ticks: { callback: duration },
    }),
  };
  const names = {
    grid: { display: false },
    stacked: kind === "stacked" || lies,
    ticks: {
      maxRotation: 0,
      autoSkipPadding: 12,
      // A long name is shortened. The tooltip shows the whole name.
      callback(/** @type {number} */ place) {
        const most = lies ? Math.max(14, Math.floor(this.chart.width / 18)) : 16;
        const name = kind === "stacked" ? labels[place].replace(/^\w{3} (?=\d)|(?<=\w) \d{4}$| to .*$/g, "") : labels[place];
        return name.length > most ? `${name.slice(0, most - 1)}…` : name;
      },
      ...(lies && { autoSkip: false }),
    },
  };
  const find = (/** @type {any} */ bar) => sets[bar.datasetIndex].links[bar.index];
  Chart.defaults.color = colour(figure, "--muted");
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  return new Chart(figure.querySelector("canvas"), {
    type: "bar",
    data: {
      labels,
      datasets: sets.map((set) => ({
        label: set.label,
        // Nothing is drawn for 0.
        data: set.values.map((value) => value || null),
        backgroundColor: colour(set.head, "--series"),
        maxBarThickness: 28,
      })),
    },
    options: {
      animation: false,
      maintainAspectRatio: false,
      indexAxis: lies ? "y" : "x",
      scales: lies ? { x: values, y: names } : { x: names, y: values },
      plugins: {
        legend: { display: false },
        tooltip: {
          callbacks: {
            title: ([item] = []) => (item ? labels[item.dataIndex] : ""),
            label: (/** @type {any} */ item) => `${sets[item.datasetIndex].label}: ${sets[item.datasetIndex].texts[item.dataIndex]}`,
          },
        },
      },
      onClick: (/** @type {any} */ _, /** @type {any[]} */ [bar]) => {
        if (bar && find(bar)) location.assign(find(bar));
      },
      onHover: (/** @type {any} */ event, /** @type {any[]} */ [bar]) => {
        event.native.target.classList.toggle("leads", Boolean(bar && find(bar)));
      },
    },
  });
}

/** @type {any[]} */
let drawn = [];
function drawAll() {
  for (const chart of drawn) chart.destroy();
  drawn = [...document.querySelectorAll("[data-chart]")].map(draw);
}

drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
