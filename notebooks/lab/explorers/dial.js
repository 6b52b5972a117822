// The dial: a model's next-token distribution at a temperature, after a sampler, and what comes out of it.
const SHOWN = 8; // tokens with a bar of their own

// Each sampler gives, of groups of equally likely tokens {p, n} with the likeliest first, how many of each stay.
const samplers = {
  none: { words: kit.say("no cut"), keep: (groups) => groups.map((g) => g.n) },
  "top-k": {
    words: kit.say("top-k"), slider: { label: "k", min: 1, max: 40, step: 1, value: 5 },
    keep: (groups, k) => groups.map((g) => { const kept = Math.min(g.n, k); k -= kept; return kept; }),
  },
  "top-p": {
    words: kit.say("top-p"), slider: { label: "p", min: 0.05, max: 1, step: 0.05, value: 0.9, show: (p) => p.toFixed(2) },
    keep: (groups, p) => fewest(groups, groups.map((_, i) => i), p),
  },
  "min-p": {
    words: kit.say("min-p"), slider: { label: kit.say("share of the likeliest"), min: 0.01, max: 0.5, step: 0.01, value: 0.1, show: (p) => p.toFixed(2) },
    keep: (groups, share) => groups.map((g) => (g.p >= share * groups[0].p ? g.n : 0)),
  },
  typical: {
    words: kit.say("typical"), slider: { label: "p", min: 0.05, max: 1, step: 0.05, value: 0.9, show: (p) => p.toFixed(2) },
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
    show(drawn === 1
      ? kit.say("Out came: {word}.", { word: word(last) })
      : kit.say("{n} draws: {word} {share}, where the model says {probability}.", {
        n: drawn.toLocaleString("en"), word: word(0), share: percent(counts[0] / drawn), probability: percent(byRow()[0]),
      }));
  }
  const word = (i) => (i < SHOWN ? kit.say("“{word}”", { word: data.contexts[state.context].words[i] }) : kit.say("one of all the others"));
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
      const name = i < SHOWN ? context.words[i] : kit.say("{n} others", { n: tokens[i].toLocaleString("en") });
      const cut = keptByRow[i] === 0;
      const out = drawn ? counts[i] / drawn : 0;
      const marks = [
        kit.svg("text", { x: left - 8, y: y + 11.5, "text-anchor": "end", style: cut ? "fill: var(--soft); text-decoration: line-through" : "" }, name.length > 15 ? `${name.slice(0, 14)}…` : name),
        kit.svg("rect", { x: left, y, width: Math.max(width * p, 0.6), height: 13, style: `fill: var(${i === 0 ? "--orange" : i < SHOWN ? "--blue" : "--grey"})` }),
        kit.svg("text", { x: left + width * p + 5, y: y + 11.5 }, cut ? kit.say("cut") : percent(p)),
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
      words = kit.say("{n} tokens stay; they held {share} of the probability.", { n: kept.toLocaleString("en"), share: percent(now.left) });
    }
    const spoken = after.map((p, i) => `${i < SHOWN ? context.words[i] : kit.say("all others")} ${percent(p)}`).join(", ");
    picture.setAttribute("aria-label", kit.say("After “{text}”: {words}.", { text: context.text, words: spoken }));
    said.tell(words || kit.say("After “{text} …” the argmax is {word}, with {probability}.", { text: context.text, word: word(0), probability: percent(after[0]) }));
  }

  const settings = kit.el("div", { style: "flex: 1 1 12rem" });
  const controls = [
    kit.choice(kit.say("After"), Object.fromEntries(data.contexts.map((each, i) => [i, `${each.text} …`])), (i) => {
      state.context = Number(i);
      clear();
    }),
    kit.slider(kit.say("Temperature"), { min: 0, max: 3, step: 0.05, value: 1, show: (t) => (t === 0 ? kit.say("0, the argmax") : t.toFixed(2)) }, (t) => {
      state.temperature = t;
      clear();
    }),
  ];
  if (data.samplers) {
    const offered = Object.fromEntries(["none", ...data.samplers].map((each) => [each, samplers[each].words]));
    controls.push(kit.choice(kit.say("Sampler"), offered, (name) => {
      state.sampler = name;
      const { slider } = samplers[name];
      settings.replaceChildren(...(slider ? [kit.slider(slider.label, slider, (value) => { state.setting = value; clear(); })] : []));
      if (!slider) clear();
    }));
    controls.push(settings);
  }
  root.setAttribute("aria-label", kit.say("The dial: a model’s next token"));
  root.append(
    kit.el("div", { class: "controls" }, ...controls),
    kit.el("div", { class: "controls" },
      kit.button(kit.say("Argmax"), () => { clear(); counts[0] = drawn = 1; show(kit.say("The argmax: {word}, each time.", { word: word(0) })); }),
      kit.button(kit.say("Draw once"), () => { clear(); draw(1); }),
      kit.button(kit.say("Draw 1,000"), () => draw(1000)),
      kit.button(kit.say("Clear"), () => clear())),
    picture, said);
  queueMicrotask(() => draw(1000)); // after the controls have set themselves
}
