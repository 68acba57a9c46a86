"use strict";
// Draws the charts of the page and makes its selectors work. Texts of the data are only ever
// compared and counted here, never written.
(() => {
  const root = document.documentElement;
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const tint = (colour, share) => `color-mix(in srgb, ${colour} ${share}%, transparent)`;

  // Theme: the system's, until the button says otherwise. The address may say it too: ?theme=dark.
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (systemDark.matches ? "dark" : "light")) === "dark";
  const stored = () => { try { return localStorage.getItem("electra-theme"); } catch { return null; } };
  const asked = new URLSearchParams(location.search).get("theme") ?? stored();
  if (asked === "dark" || asked === "light") root.dataset.theme = asked;
  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("electra-theme", root.dataset.theme); } catch { /* a page without storage */ }
    drawAll();
  });
  systemDark.addEventListener("change", () => drawAll());

  // Numbers as people read them.
  const shown = (value) => {
    if (value == null) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(2);
    if (Number.isInteger(value)) return String(value);
    return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.1 ? 3 : 5);
  };
  const tick = (value) => {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toFixed(2)}M`;
    if (size >= 1e4) return `${+(value / 1e3).toFixed(1)}k`;
    if (size < 1e-3) return value.toExponential();
    return String(+value.toPrecision(4));
  };

  const axes = (x, y) => {
    const axis = (label, more) => ({
      label, stroke: css("--dim"), labelSize: 18, labelFont: "12px system-ui, sans-serif",
      font: "12px system-ui, sans-serif", grid: { stroke: css("--line"), width: 1 },
      ticks: { stroke: css("--line"), width: 1, size: 4 }, values: (u, ticks) => ticks.map((value) => value == null ? "" : tick(value)), ...more,
    });
    return [axis(x, { size: 34 }), axis(y, { size: 52 })];
  };

  // A vertical line, and a point with its label.
  const mark = (x, y, label) => (u) => {
    const left = u.valToPos(x, "x", true);
    const { left: from, width, top, height } = u.bbox;
    if (left < from || left > from + width) return;
    const { ctx } = u, unit = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = css("--text");
    ctx.lineWidth = unit;
    ctx.setLineDash([4 * unit, 4 * unit]);
    ctx.beginPath(); ctx.moveTo(left, top); ctx.lineTo(left, top + height); ctx.stroke();
    if (y != null) {
      const at = u.valToPos(y, "y", true);
      ctx.beginPath(); ctx.arc(left, at, 4 * unit, 0, 2 * Math.PI); ctx.fill();
      ctx.font = `600 ${12 * unit}px system-ui, sans-serif`;
      const room = ctx.measureText(label).width + 10 * unit;
      const after = left + room < from + width;
      ctx.textAlign = after ? "left" : "right";
      const place = [label, left + (after ? 8 : -8) * unit, Math.min(at + 22 * unit, top + height - 6 * unit)];
      // Legible where lines run behind it.
      ctx.setLineDash([]);
      ctx.strokeStyle = css("--page");
      ctx.lineWidth = 4 * unit;
      ctx.strokeText(...place);
      ctx.fillText(...place);
    }
    ctx.restore();
  };

  const lines = (chart) => {
    const series = chart.lines.map(({ name, style }) => {
      const [[kind, number]] = Object.entries(style);
      const colour = css(`--c${number % 5}`);
      return {
        label: name, value: (u, value) => shown(value), points: { show: false }, spanGaps: true,
        stroke: kind === "faint" ? tint(colour, 38) : colour, width: kind === "bold" ? 2 : kind === "thin" ? 1.5 : 1,
      };
    });
    const positive = (values) => values.map((value) => value > 0 ? value : null);
    const tables = chart.lines.map(({ points: [x, y] }) => [x, chart.log ? positive(y) : y]);
    const { mark: point } = chart;
    return {
      data: tables.length === 1 ? tables[0] : uPlot.join(tables),
      options: {
        series: [{ label: chart.x, value: (u, value) => shown(value) }, ...series],
        scales: chart.log ? { y: { distr: 3 } } : {},
        axes: axes(chart.x, chart.y),
        hooks: point ? { draw: [mark(point.x, point.y, point.label)] } : {},
      },
    };
  };

  const bars = uPlot.paths.bars({ size: [1, Infinity], align: 1, gap: 0 });
  const binned = (x, y, edges, width, series, hooks) => ({
    data: [edges, ...series.map((one) => one.drawn)],
    options: {
      scales: { x: { range: [edges[0], edges[edges.length - 1] + width] } },
      series: [
        { label: x, value: (u, value) => value == null ? "–" : `${shown(value)} – ${shown(value + width)}` },
        ...series.map((one) => ({
          label: one.name, paths: bars, points: { show: false }, width: 1,
          stroke: one.colour, fill: one.fill ?? one.colour,
          value: (u, value, i, at) => at == null ? "–" : String(one.counts[at]),
        })),
      ],
      axes: axes(x, y), hooks,
    },
  });

  const histograms = (chart) => {
    const count = Math.max(1, ...chart.series.map(([, , counts]) => counts.length));
    const edges = Array.from({ length: count }, (_, bin) => chart.start + bin * chart.width);
    const series = chart.series.map(([name, number, counts]) => {
      const colour = css(`--c${number % 5}`);
      return { name, counts, drawn: counts, colour, fill: tint(colour, 45) };
    });
    const hooks = chart.line == null ? {} : { draw: [mark(chart.line)] };
    return binned(chart.x, chart.y, edges, chart.width, series, hooks);
  };

  // Right on top of wrong. A single type has few questions: four bins become one.
  const stacks = (chart, place) => {
    const controls = place.closest(".lengths");
    const part = controls.querySelector('[data-select="part"]').value;
    const type = controls.querySelector('[data-select="type"]').value;
    const found = chart.choices[`${part} ${type}`] ?? [[0], [0]];
    const merged = type === "all" || found[0].length < 30 ? 1 : 4;
    const merge = (counts) => counts.reduce((bins, count, bin) => {
      bins[Math.floor(bin / merged)] = (bins[Math.floor(bin / merged)] ?? 0) + count;
      return bins;
    }, []);
    const [right, wrong] = found.map(merge);
    const width = chart.width * merged;
    return binned(chart.x, "questions", right.map((_, bin) => bin * width), width, [
      { name: "wrong", counts: wrong, drawn: right.map((count, bin) => count + wrong[bin]), colour: css("--wrong") },
      { name: "right", counts: right, drawn: right, colour: css("--right") },
    ], {});
  };

  const kinds = { lines, bars: histograms, stacks };
  const drawn = new Map();
  const size = (plot) => ({ width: Math.max(240, plot.clientWidth), height: 250 });
  const draw = (figure) => {
    const chart = charts[figure.dataset.chart];
    const plot = figure.querySelector(".plot");
    drawn.get(plot)?.destroy();
    const { data, options } = kinds[chart.kind](chart, plot);
    const scales = { ...options.scales, x: { time: false, ...options.scales.x } };
    drawn.set(plot, new uPlot({
      ...size(plot), ...options, scales, padding: [10, 12, 0, 0],
      cursor: { points: { size: 6 }, y: false }, legend: { live: true },
    }, data, plot));
  };
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const drawAll = () => figures.forEach(draw);
  drawAll();
  let waiting;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => drawn.forEach((chart, plot) => chart.setSize(size(plot))));
  });
  document.querySelectorAll(".lengths select").forEach((select) =>
    select.addEventListener("change", () => select.closest(".lengths").querySelectorAll("figure").forEach(draw)));

  // A row of buttons shows one of the blocks that carry their values.
  const choose = (row, shownBlocks) => {
    const name = row.dataset.choices;
    const blocks = [...row.closest(".task").querySelectorAll(`div[data-${name}]`)];
    const buttons = [...row.querySelectorAll("button")];
    const press = (value) => {
      buttons.forEach((one) => one.setAttribute("aria-pressed", one.value === value));
      blocks.forEach((block) => { block.hidden = block.dataset[name] !== value; });
      shownBlocks?.(blocks.find((block) => !block.hidden));
    };
    buttons.forEach((one) => one.addEventListener("click", () => press(one.value)));
    if (buttons.length) press(buttons[0].value);
  };
  // A passage opens at its first mark.
  const open = (block) => block?.querySelectorAll(".passage").forEach((passage) => {
    const first = passage.querySelector("mark");
    if (first) passage.scrollTop = Math.max(0, first.offsetTop - 30);
  });
  document.querySelectorAll(".choices").forEach((row) => choose(row, row.dataset.choices === "class" ? open : null));

  document.querySelectorAll(".examples").forEach((examples) => {
    const type = examples.querySelector('[data-filter="type"]');
    const text = examples.querySelector('[data-filter="text"]');
    const filter = () => {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const block of examples.querySelectorAll("[data-class]")) {
        let found = 0;
        for (const article of block.querySelectorAll("article")) {
          const holds = article.textContent.toLowerCase();
          article.hidden = (type.value && article.dataset.type !== type.value) || !words.every((word) => holds.includes(word));
          found += !article.hidden;
        }
        const filtered = type.value || words.length;
        block.querySelector("[data-found]").textContent = filtered ? ` ${found} found.` : "";
      }
    };
    type.addEventListener("change", filter);
    text.addEventListener("input", filter);
  });
})();
