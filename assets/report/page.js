"use strict";
// Draws the charts of the page and makes its selectors work. Texts of the data are only ever
// compared and counted here, never written.
(() => {
  const root = document.documentElement;
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const tint = (colour, share) => `color-mix(in srgb, ${colour} ${share}%, transparent)`;

  // The colour of a number, and its dashes: after the last colour the first comes again, with other dashes.
  const COLOURS = 10;
  const colourOf = (number) => css(`--c${number % COLOURS}`);
  const dashesOf = (number) => {
    const dots = Math.floor(number / COLOURS) - 1;
    return dots < 0 ? undefined : [10, 4, ...Array(dots).fill([2, 4]).flat()];
  };

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

  // A point with its label, or else a vertical line.
  const mark = (x, y, label) => (u) => {
    const left = u.valToPos(x, "x", true);
    const { left: from, width, top, height } = u.bbox;
    if (left < from || left > from + width) return;
    const { ctx } = u, unit = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = css("--text");
    ctx.lineWidth = unit;
    if (y == null) {
      ctx.setLineDash([4 * unit, 4 * unit]);
      ctx.beginPath(); ctx.moveTo(left, top); ctx.lineTo(left, top + height); ctx.stroke();
    } else {
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

  // What a legend shows while nobody points at a chart: the values at the threshold in use or at
  // the mark, else the last ones.
  const restOf = (chart, data) => {
    const [xs] = data;
    const before = (x) => xs.findLastIndex((one) => one <= x);
    let at = chart.line == null ? -1 : before(chart.line);
    if (at < 0 && chart.mark) at = before(chart.mark.x);
    if (at < 0) at = xs.length - 1;
    return data.map((values) => values[values.findLastIndex((value, i) => i <= at && value != null)]);
  };

  const lines = (chart) => {
    let rest = [];
    const value = (u, value, i, at) => shown(at == null ? rest[i] : value);
    const series = chart.lines.map(({ name, style }) => {
      const [[kind, number]] = Object.entries(style);
      const colour = colourOf(number);
      return {
        label: name, value, spanGaps: true, dash: dashesOf(number),
        points: { show: kind === "dotted", size: 8, fill: colour },
        stroke: kind === "faint" ? tint(colour, 38) : colour, width: kind === "bold" || kind === "dotted" ? 2 : kind === "thin" ? 1.5 : 1,
      };
    });
    const positive = (values) => values.map((value) => value > 0 ? value : null);
    const tables = chart.lines.map(({ points: [x, y] }) => [x, chart.log ? positive(y) : y]);
    const { mark: point, line } = chart;
    const data = tables.length === 1 ? tables[0] : uPlot.join(tables);
    rest = restOf(chart, data);
    const marks = [];
    if (point) marks.push(mark(point.x, point.y, point.label));
    if (line != null) marks.push(mark(line));
    return {
      data,
      options: {
        series: [{ label: chart.x, value }, ...series],
        scales: chart.log ? { y: { distr: 3 } } : {},
        axes: axes(chart.x, chart.y),
        hooks: { draw: marks },
      },
    };
  };

  const bars = uPlot.paths.bars({ size: [1, Infinity], align: 1, gap: 0 });
  const binned = (x, y, edges, width, series, hooks) => ({
    data: [edges, ...series.map((one) => one.drawn)],
    options: {
      scales: { x: { range: [edges[0], edges[edges.length - 1] + width] } },
      series: [
        { label: x, value: (u, value) => value == null ? "all" : `${shown(value)} – ${shown(value + width)}` },
        ...series.map((one) => ({
          label: one.name, paths: bars, points: { show: false }, width: 1,
          stroke: one.colour, fill: one.fill ?? one.colour,
          value: (u, value, i, at) => String(at == null ? one.counts.reduce((sum, count) => sum + count, 0) : one.counts[at]),
        })),
      ],
      axes: axes(x, y), hooks,
    },
  });

  const histograms = (chart) => {
    const count = Math.max(1, ...chart.series.map(([, , counts]) => counts.length));
    const edges = Array.from({ length: count }, (_, bin) => chart.start + bin * chart.width);
    const series = chart.series.map(([name, number, counts]) => {
      const colour = colourOf(number);
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

  // Dots over the line on which both are equal.
  const scatter = (chart) => {
    const [xs, ys] = chart.points;
    const all = [...xs, ...ys].filter((value) => value != null);
    const least = Math.min(...all), greatest = Math.max(...all);
    const room = (greatest - least || 1) * 0.04;
    const range = all.length ? [least - room, greatest + room] : [0, 1];
    const diagonal = (u) => {
      const { ctx } = u;
      const at = (value) => [u.valToPos(value, "x", true), u.valToPos(value, "y", true)];
      ctx.save();
      ctx.strokeStyle = css("--c4");
      ctx.lineWidth = devicePixelRatio;
      ctx.beginPath(); ctx.moveTo(...at(range[0])); ctx.lineTo(...at(range[1])); ctx.stroke();
      ctx.restore();
    };
    const value = (u, value, i, at) => at == null ? "–" : shown(value);
    return {
      data: [xs, ys],
      options: {
        scales: { x: { range }, y: { range } },
        series: [
          { label: chart.x, value },
          { label: chart.y, value, paths: () => null, stroke: css("--c0"),
            points: { show: true, size: xs.length > 500 ? 4 : 6, width: 0, fill: tint(css("--c0"), 60) } },
        ],
        axes: axes(chart.x, chart.y),
        hooks: { drawAxes: [diagonal] },
      },
    };
  };

  const kinds = { lines, bars: histograms, stacks, scatter };
  const drawn = new Map();
  const size = (plot) => ({ width: Math.max(240, plot.clientWidth), height: 250 });
  const draw = (figure) => {
    const chart = charts[figure.dataset.chart];
    const plot = figure.querySelector(".plot");
    drawn.get(plot)?.destroy();
    const { data, options } = kinds[chart.kind](chart, plot);
    const scales = { ...options.scales, x: { time: false, ...options.scales.x } };
    const made = new uPlot({
      ...size(plot), ...options, scales, padding: [10, 12, 0, 0],
      cursor: { points: { size: 6 }, y: false }, legend: { live: true, markers: { dash: (u, i) => u.series[i].dash ? "dashed" : "solid" } },
    }, data, plot);
    made.setLegend({ idx: null });
    drawn.set(plot, made);
  };
  const figuresIn = (root) => root.querySelectorAll("figure[data-chart]");
  const drawAll = () => figuresIn(document).forEach(draw);
  let waiting;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => drawn.forEach((chart, plot) => plot.isConnected && chart.setSize(size(plot))));
  });

  // A row of buttons shows one of the blocks that carry their values.
  const choose = (row) => {
    const name = row.dataset.choices;
    const blocks = row.closest(".analysis").querySelectorAll(`div[data-${name}]`);
    const buttons = [...row.querySelectorAll("button")];
    const press = (value) => {
      buttons.forEach((one) => one.setAttribute("aria-pressed", one.value === value));
      blocks.forEach((block) => { block.hidden = block.dataset[name] !== value; });
    };
    buttons.forEach((one) => one.addEventListener("click", () => press(one.value)));
    if (buttons.length) press(buttons[0].value);
  };

  // A passage opens at its first mark.
  const open = (block) => block.querySelectorAll(".passage").forEach((passage) => {
    const first = passage.querySelector("mark");
    if (first) passage.scrollTop = Math.max(0, first.offsetTop - 30);
  });

  // Examples of one class, or, where words are searched, of every class.
  const browse = (examples) => {
    const buttons = [...examples.querySelectorAll('[data-choices="class"] button')];
    const blocks = [...examples.querySelectorAll("div[data-class]")];
    // What an example must have: one of the words of its data attribute of the same name.
    const filters = [...examples.querySelectorAll("select[data-filter]")];
    const text = examples.querySelector('[data-filter="text"]');
    const counts = new Map(buttons.map((button) => [button.value, button.querySelector(".count").textContent]));
    const all = examples.querySelector("[data-total]");
    let picked = buttons[0]?.value;
    const show = () => {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      const asked = filters.filter((filter) => filter.value);
      const passes = (article) => asked.every(({ dataset, value }) => article.dataset[dataset.filter].split(" ").includes(value));
      const filtered = asked.length > 0 || words.length > 0;
      let total = 0;
      for (const block of blocks) {
        let found = 0;
        for (const article of block.querySelectorAll("article")) {
          const holds = article.textContent.toLowerCase();
          article.hidden = !passes(article) || !words.every((word) => holds.includes(word));
          found += !article.hidden;
        }
        total += found;
        block.hidden = picked == null ? found === 0 : block.dataset.class !== picked;
        block.querySelector("[data-found]").textContent = filtered ? ` ${found} found.` : "";
        const button = buttons.find((one) => one.value === block.dataset.class);
        button.querySelector(".count").textContent = filtered ? found : counts.get(button.value);
        button.setAttribute("aria-pressed", button.value === picked);
        if (!block.hidden) open(block);
      }
      const place = all.dataset.total || "in all classes";
      all.textContent = filtered ? `${total} found ${place}` : "";
    };
    buttons.forEach((one) => one.addEventListener("click", () => { picked = one.value; show(); }));
    filters.forEach((filter) => filter.addEventListener("change", show));
    text.addEventListener("input", () => {
      picked = text.value.trim() ? null : picked ?? buttons[0]?.value;
      show();
    });
    show();
  };

  // Makes the controls in a part of the page work; once a part.
  const setUp = (root) => {
    root.querySelectorAll('.choices[data-choices="part"]').forEach(choose);
    root.querySelectorAll(".examples").forEach(browse);
    root.querySelectorAll(".lengths select").forEach((select) =>
      select.addEventListener("change", () => figuresIn(select.closest(".lengths")).forEach(draw)));
  };
  setUp(document);
  drawAll();

  // The analysis under the best threshold waits in templates.
  const views = [...document.querySelectorAll(".task > template")].map((template) => ({
    run: template.parentElement.querySelector(":scope > .analysis"),
    best: template.content.querySelector(".analysis"),
    isNew: true,
  }));
  const judge = document.querySelector("[data-switch]");
  if (judge) {
    const buttons = [...judge.querySelectorAll("button")];
    judge.hidden = false;
    buttons.forEach((one) => one.addEventListener("click", () => {
      buttons.forEach((other) => other.setAttribute("aria-pressed", other === one));
      for (const view of views) {
        const [old, now] = one.value === "best" ? [view.run, view.best] : [view.best, view.run];
        if (now.isConnected) continue;
        old.replaceWith(now);
        if (one.value === "best" && view.isNew) {
          view.isNew = false;
          setUp(now);
        }
        figuresIn(now).forEach(draw);
        now.querySelectorAll(".examples").forEach(open);
      }
    }));
  }
})();
