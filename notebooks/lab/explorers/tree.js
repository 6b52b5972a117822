// The tree: all texts of a small model, and which of them a way of decoding gives back.
// data: names (one character a token), end (the token that ends a text), length, and steps, which gives after each
// prefix that has not ended the log-probabilities of the next token.
const rules = {
  argmax: { words: kit.say("argmax"), color: "--orange" },
  draw: { words: kit.say("sample"), color: "--blue" },
  beam: { words: kit.say("beam"), named: kit.say("beam of {n}"), color: "--brown", wide: true },
  noise: { words: kit.say("beam with noise"), named: kit.say("beam of {n} with noise"), color: "--purple", wide: true },
};

// Each rule gives the prefixes that it keeps at every step; the last of these are the texts that come back.
function decoders(children, over, length, kit, random) {
  const better = (a, b) => b.p - a.p;
  const start = { text: "", p: 1, time: 0 };

  function beam(width) {
    let live = [start], finished = [];
    const kept = [];
    for (let step = 0; step < length && live.length; step += 1) {
      const best = live.flatMap(children).sort(better).slice(0, 2 * width);
      finished = [...finished, ...best.slice(0, width).filter(over)].sort(better).slice(0, width);
      live = best.filter((each) => !over(each)).slice(0, width);
      if (finished.length === width && live.length && live[0].p <= finished[width - 1].p) live = [];
      kept.push([...finished, ...live]);
    }
    return kept;
  }
  function noise(width) {
    let live = [start];
    return Array.from({ length }, () => {
      live = live.flatMap((parent) => {
        if (over(parent)) return [parent];
        const family = children(parent).map((child) => ({ ...child, time: -Math.log(1 - random()) / child.p }));
        const first = Math.min(...family.map((child) => child.time));
        return family.map((child) => ({ ...child, time: child.time - first + parent.time }));
      }).sort((a, b) => a.time - b.time).slice(0, width);
      return live;
    });
  }
  function draw() {
    let now = start;
    return Array.from({ length }, () => {
      const family = over(now) ? [now] : children(now);
      now = family[kit.draw(family.map((child) => child.p), random)];
      return [now];
    });
  }
  return { argmax: () => beam(1), draw, beam, noise };
}

function mount(root, data, kit) {
  const tokens = [...data.names];
  const ends = {}; // by text
  const over = ({ text }) => (ends[text] ??= text.endsWith(tokens[data.end]) || [...text].length === data.length);
  const state = { temperature: 1, rule: "argmax", width: 2 };
  let families = {}; // what may follow each prefix at this temperature, which a thousand runs ask for many times
  const family = (text) => kit.softmax(data.steps[text], state.temperature)
    .map((chance, i) => ({ text: text + tokens[i], chance }))
    .filter(({ chance }) => chance > 0);
  const children = ({ text, p }) => (families[text] ??= family(text)).map((child) => ({ ...child, p: p * child.chance }));
  const run = decoders(children, over, data.length, kit, kit.random(Date.now()));

  // Where each prefix stands, as long as it is possible at all.
  const places = {}, leaves = [];
  (function place(text) {
    const below = over({ text }) ? [] : tokens.map((token) => place(text + token));
    const y = below.length ? below.reduce((a, b) => a + b, 0) / below.length : 34 + 25 * leaves.length;
    if (!below.length) leaves.push(text);
    places[text] = { x: 14 + 50 * [...text].length, y };
    return y;
  })("");
  const picture = kit.svg("svg", { viewBox: `0 0 360 ${34 + 25 * leaves.length}`, role: "img" });
  const said = kit.said();
  let counts, runs, timer, chances;
  const probability = (text) => chances[text]?.p ?? 0;

  function clear() {
    clearTimeout(timer);
    counts = Object.fromEntries(leaves.map((text) => [text, 0]));
    runs = 0;
    show();
    const text = leaves.reduce((best, each) => (probability(each) > probability(best) ? each : best));
    const found = kit.say("The most likely text is {text}, at {p}.", { text, p: probability(text).toFixed(3) });
    said.tell(`${found} ${kit.say("Run the {rule} once, and see which prefixes it keeps at each step.", { rule: name() })}`);
  }
  function name() {
    const { words, named } = rules[state.rule];
    return named ? kit.say(named, { n: state.width }) : words;
  }
  function count(found) {
    found.forEach(({ text }) => { counts[text] += 1; });
    runs += 1;
  }
  function once() {
    clearTimeout(timer);
    const kept = run[state.rule](state.width);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let step = still ? kept.length - 1 : 0;
    (function next() {
      const last = step === kept.length - 1;
      if (last) count(kept[step]);
      show(kept[step]);
      const texts = kept[step].map(({ text }) => text).join(", ");
      said.tell(last ? kit.say("The {rule} gives {texts}.", { rule: name(), texts }) : kit.say("Step {n}: it keeps {texts}.", { n: step + 1, texts }));
      step += 1;
      if (!last) timer = setTimeout(next, 900);
    })();
  }
  function many() {
    clearTimeout(timer);
    for (let i = 0; i < 1000; i += 1) count(run[state.rule](state.width).at(-1));
    show();
    const back = leaves.filter((text) => counts[text]);
    const always = back.every((text) => counts[text] === runs);
    const counted = { n: runs.toLocaleString("en"), rule: name() };
    said.tell(always
      ? kit.say("{n} runs of {rule}: always {texts}.", { ...counted, texts: back.join(", ") })
      : kit.say("{n} runs of {rule}: {different} different texts came back.", { ...counted, different: back.length }));
  }
  function show(kept = []) {
    const color = `var(${rules[state.rule].color})`;
    const lit = (text) => kept.some((each) => each.text.startsWith(text));
    chances = { "": { p: 1 } };
    (function spread(parent) {
      if (!over(parent)) children(parent).forEach((child) => { chances[child.text] = child; spread(child); });
    })({ text: "", p: 1 });
    const share = (text) => (runs ? counts[text] / runs : 0);
    const longest = Math.max(...leaves.map((text) => Math.max(probability(text), share(text))));

    const branches = [], nodes = [];
    for (const [text, { x, y }] of Object.entries(places)) {
      const possible = text in chances, on = possible && text && lit(text);
      if (text) {
        const from = places[text.slice(0, -1)];
        branches[on ? "push" : "unshift"](kit.svg("line", {
          x1: from.x, y1: from.y, x2: x, y2: y,
          style: `stroke: ${on ? color : "var(--line)"}; stroke-width: ${possible ? 1 + 5 * chances[text].chance : 0.5}`,
        }));
      }
      nodes.push(kit.svg("circle", { cx: x, cy: y, r: text ? 9 : 5, style: `fill: var(--ground); stroke: ${on ? color : "var(--line)"}; stroke-width: ${on ? 2.5 : 1}` }));
      nodes.push(kit.svg("text", { x, y: y + 4, "text-anchor": "middle", style: possible ? "" : "fill: var(--soft)" }, text.slice(-1)));
    }
    const rows = leaves.map((text) => {
      const { y } = places[text], p = probability(text), bar = (value) => Math.max(46 * value / longest, value ? 1 : 0);
      const marks = [
        kit.svg("text", { x: 218, y: y + 4, "text-anchor": "end", style: "font-family: monospace" }, text),
        kit.svg("text", { x: 258, y: y + 4, "text-anchor": "end" }, p.toFixed(3)),
        kit.svg("rect", { x: 264, y: y - 9, width: bar(p), height: 7, style: "fill: var(--grey)" }),
      ];
      if (runs) {
        marks.push(kit.svg("rect", { x: 264, y: y - 1, width: bar(share(text)), height: 9, style: `fill: ${color}` }));
        marks.push(kit.svg("text", { x: 358, y: y + 8, "text-anchor": "end", style: `fill: ${color}` }, counts[text].toLocaleString("en")));
      }
      return kit.svg("g", { "data-text": text, "data-probability": p, "data-count": counts[text] }, ...marks);
    });
    const head = [[218, kit.say("text")], [258, "P"], [358, runs ? kit.say("came back") : ""]]
      .map(([x, words]) => kit.svg("text", { x, y: 12, "text-anchor": "end", style: "fill: var(--soft)" }, words));
    picture.replaceChildren(...branches, ...nodes, ...head, ...rows);
    picture.dataset.runs = runs;
    const texts = leaves.map((text) => `${text} ${probability(text).toFixed(3)}${runs ? `, ${counts[text]}` : ""}`).join("; ");
    picture.setAttribute("aria-label", runs
      ? kit.say("{n} texts with their probabilities and how often each came back from {runs} runs of {rule}: {texts}.", { n: leaves.length, runs, rule: name(), texts })
      : kit.say("{n} texts with their probabilities: {texts}.", { n: leaves.length, texts }));
  }

  const width = kit.slider(kit.say("Width"), { min: 1, max: 4, step: 1, value: 2 }, (value) => { state.width = value; clear(); });
  clear();
  root.setAttribute("aria-label", kit.say("The tree: all texts of a small model"));
  root.append(
    kit.el("div", { class: "controls" },
      kit.choice(kit.say("Decode by"), Object.fromEntries(Object.entries(rules).map(([each, { words }]) => [each, words])), (rule) => {
        state.rule = rule;
        width.style.visibility = rules[rule].wide ? "" : "hidden";
        clear();
      }),
      width,
      kit.slider(kit.say("Temperature"), { min: 0, max: 2, step: 0.1, value: 1, show: (t) => (t === 0 ? "0" : t.toFixed(1)) }, (t) => { state.temperature = t; families = {}; clear(); })),
    kit.el("div", { class: "controls" }, kit.button(kit.say("Run once"), once), kit.button(kit.say("Run 1,000"), many), kit.button(kit.say("Clear"), clear)),
    picture, said);
}
