// The dial: a model's next-token distribution at a temperature, after a sampler, and what comes out of it.
const SHOWN = 8; // tokens with a bar of their own

// Each sampler gives, of groups of equally likely tokens {p, n} with the likeliest first, how many of each stay.
const samplers = {
  none: { words: "no cut", keep: (groups) => groups.map((g) => g.n) },
  "top-k": {
    words: "top-k", slider: { label: "k", min: 1, max: 40, step: 1, value: 5 },
    keep: (groups, k) => groups.map((g) => { const kept = Math.min(g.n, k); k -= kept; return kept; }),
  },
  "top-p": {
    words: "top-p", slider: { label: "p", min: 0.05, max: 1, step: 0.05, value: 0.9, show: (p) => p.toFixed(2) },
    keep: (groups, p) => fewest(groups, groups.map((_, i) => i), p),
  },
  "min-p": {
    words: "min-p", slider: { label: "share of the likeliest", min: 0.01, max: 0.5, step: 0.01, value: 0.1, show: (p) => p.toFixed(2) },
    keep: (groups, share) => groups.map((g) => (g.p >= share * groups[0].p ? g.n : 0)),
  },
  typical: {
    words: "typical", slider: { label: "p", min: 0.05, max: 1, step: 0.05, value: 0.9, show: (p) => p.toFixed(2) },
    keep(groups, p) {
      const entropy = groups.reduce((sum, g) => sum - (g.p > 0 ? g.n * g.p * Math.log(g.p) : 0), 0);
      const off = groups.map((g) => Math.abs(-Math.log(g.p) - entropy));
      return fewest(groups, groups.map((_, i) => i).sort((a, b) => off[a] - off[b]), p);
    },
  },
};

// In the given order, the fewest tokens that hold at least p.
function fewest(groups, order, p) {
  const kept = groups.map(() => 0);
  let held = 0;
  for (const i of order) {
    const g = groups[i];
    if (p < 1 && held >= p - 1e-12) break;
    kept[i] = p < 1 && g.p > 0 ? Math.min(g.n, Math.ceil((p - held) / g.p - 1e-9)) : g.n;
    held += kept[i] * g.p;
  }
  return kept;
}

function distribution(context, temperature, sampler, setting) {
  const logits = [...context.logits, ...context.bins.map((bin) => bin[0])];
  const n = [...context.logits.map(() => 1), ...context.bins.map((bin) => bin[1])];
  const weights = temperature === 0
    ? logits.map((_, i) => (i === 0 ? 1 : 0))
    : logits.map((z) => Math.exp(z / temperature));
  const total = weights.reduce((sum, w, i) => sum + w * n[i], 0);
  const groups = weights.map((w, i) => ({ p: w / total, n: n[i] }));
  const kept = samplers[sampler].keep(groups, setting);
  const left = groups.reduce((sum, g, i) => sum + g.p * kept[i], 0);
  return { groups, kept, left, probability: groups.map((g, i) => (g.p * kept[i]) / left) };
}

function mount(root, data, kit) {
  const random = kit.random(Date.now());
  const state = { context: 0, temperature: 1, sampler: "none", setting: null };
  let counts, drawn, now;
  const rows = SHOWN + 1; // the last holds all other tokens
  const height = rows * 34 + 6;
  const picture = kit.svg("svg", { viewBox: `0 0 360 ${height}`, role: "img" });
  const said = kit.said();
  const row = (i) => Math.min(i, SHOWN);
  const percent = (p) => (p === 0 ? "0 %" : p < 0.001 ? "< 0.1 %" : `${(100 * p).toFixed(1)} %`);

  function clear(words) {
    counts = Array(rows).fill(0);
    drawn = 0;
    show(words);
  }
  function draw(n) {
    for (let i = 0; i < n; i += 1) {
      counts[row(kit.draw(now.probability, random))] += 1;
    }
    drawn += n;
    const last = counts.findIndex((count) => count > 0);
    show(drawn === 1 ? `Out came: ${word(last)}.` : `${drawn.toLocaleString("en")} draws: ${word(0)} ${percent(counts[0] / drawn)}, where the model says ${percent(byRow()[0])}.`);
  }
  const word = (i) => (i < SHOWN ? `“${data.contexts[state.context].words[i]}”` : "one of all the others");
  function byRow() {
    const sums = Array(rows).fill(0);
    now.probability.forEach((p, i) => { sums[row(i)] += p; });
    return sums;
  }
  function show(words = "") {
    const context = data.contexts[state.context];
    now = distribution(context, state.temperature, state.sampler, state.setting);
    const before = Array(rows).fill(0);
    const keptByRow = Array(rows).fill(0);
    const tokens = Array(rows).fill(0);
    now.groups.forEach((g, i) => { before[row(i)] += g.p * g.n; keptByRow[row(i)] += now.kept[i]; tokens[row(i)] += g.n; });
    const after = byRow();
    const width = 168, left = 118;
    picture.replaceChildren(...after.flatMap((p, i) => {
      const y = i * 34 + 4;
      const name = i < SHOWN ? context.words[i] : `${tokens[i].toLocaleString("en")} others`;
      const cut = keptByRow[i] === 0;
      const out = drawn ? counts[i] / drawn : 0;
      const marks = [
        kit.svg("text", { x: left - 8, y: y + 11.5, "text-anchor": "end", style: cut ? "fill: var(--soft); text-decoration: line-through" : "" }, name.length > 15 ? `${name.slice(0, 14)}…` : name),
        kit.svg("rect", { x: left, y, width: Math.max(width * p, 0.6), height: 13, style: `fill: var(${i === 0 ? "--orange" : i < SHOWN ? "--blue" : "--grey"})` }),
        kit.svg("text", { x: left + width * p + 5, y: y + 11.5 }, cut ? "cut" : percent(p)),
      ];
      if (state.sampler !== "none" && before[i] > 0) {
        marks.push(kit.svg("rect", { x: left, y, width: width * before[i], height: 13, style: "fill: none; stroke: var(--soft); stroke-dasharray: 2 2" }));
      }
      if (drawn) {
        marks.push(kit.svg("rect", { x: left, y: y + 15, width: width * out, height: 8, style: "fill: var(--purple)" }));
        marks.push(kit.svg("text", { x: left + width * out + 5, y: y + 24, style: "fill: var(--purple)" }, counts[i].toLocaleString("en")));
      }
      return [kit.svg("g", { "data-row": i, "data-probability": p, "data-count": counts[i], "data-kept": keptByRow[i] }, ...marks)];
    }));
    const kept = now.kept.reduce((a, b) => a + b, 0);
    if (!words && state.sampler !== "none") {
      words = `${kept.toLocaleString("en")} tokens stay; they held ${percent(now.left)} of the probability.`;
    }
    const spoken = after.map((p, i) => `${i < SHOWN ? context.words[i] : "all others"} ${percent(p)}`).join(", ");
    picture.setAttribute("aria-label", `After “${context.text}”: ${spoken}.`);
    said.textContent = words || `After “${context.text} …” the argmax is ${word(0)}.`;
  }

  const settings = kit.el("div", { style: "flex: 1 1 12rem" });
  const controls = [
    kit.choice("After", Object.fromEntries(data.contexts.map((each, i) => [i, `${each.text} …`])), (i) => {
      state.context = Number(i);
      clear();
    }),
    kit.slider("Temperature", { min: 0, max: 3, step: 0.05, value: 1, show: (t) => (t === 0 ? "0, the argmax" : t.toFixed(2)) }, (t) => {
      state.temperature = t;
      clear();
    }),
  ];
  if (data.samplers) {
    const offered = Object.fromEntries(["none", ...data.samplers].map((each) => [each, samplers[each].words]));
    controls.push(kit.choice("Sampler", offered, (name) => {
      state.sampler = name;
      const { slider } = samplers[name];
      settings.replaceChildren(...(slider ? [kit.slider(slider.label, slider, (value) => { state.setting = value; clear(); })] : []));
      if (!slider) clear();
    }));
    controls.push(settings);
  }
  root.append(
    kit.el("div", { class: "controls" }, ...controls),
    kit.el("div", { class: "controls" },
      kit.button("Argmax", () => { clear(); counts[0] = drawn = 1; show(`The argmax: ${word(0)}, each time.`); }),
      kit.button("Draw once", () => { clear(); draw(1); }),
      kit.button("Draw 1,000", () => draw(1000)),
      kit.button("Clear", () => clear())),
    picture, said);
  queueMicrotask(() => draw(1000)); // after the controls have set themselves
}
