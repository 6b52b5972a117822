// The sum of n terms: as a score of attention, in every forward pass, and as the stream of a stack, before training.
const SUMS = 1000, EDGE = 40, BIN = 2, KEYS = 8;

// Sums of n products of two normal numbers: of n independent ones, or of n copies of one. Where one number of each product
// is given, a sum of independent ones is normal with the sum of their squares as its variance: one draw instead of n.
function sums(n, copies, random) {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Array.from({ length: SUMS }, () => (copies ? n * normal() : Math.sqrt(squares(n, normal, random))) * normal());
}

// The sum of the squares of n normal numbers; those of two are together −2 log of a uniform number. Logarithms take long.
function squares(n, normal, random) {
  let sum = n % 2 ? normal() ** 2 : 0, product = 1;
  for (let i = 1; i < n; i += 2) {
    product *= 1 - random();
    if (product > 1e-250) continue;
    sum -= 2 * Math.log(product);
    product = 1;
  }
  return sum - 2 * Math.log(product);
}

function variance(values) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1);
}

// Three digits, without an exponent.
function short(x) {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(x) || 1)));
  return Number(x.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: digits });
}

function mount(root, data, kit) {
  const state = { view: "score", terms: "apart", scaled: false, n: 64, depth: data.depths.indexOf(12), trained: false };
  const controls = kit.el("div", { class: "controls" });
  const picture = kit.svg("svg", { viewBox: "0 0 360 330", role: "img" });
  const said = kit.said();
  const text = (x, y, words, style = "", anchor = "start") => kit.svg("text", { x, y, style, "text-anchor": anchor }, words);
  const line = (x1, y1, x2, y2, color = "--line") => kit.svg("line", { x1, y1, x2, y2, style: `stroke: var(${color})` });
  const color = () => (state.scaled ? "--green" : "--blue");

  function score() {
    const scale = state.scaled ? state.n ** -0.5 : 1;
    const drawn = sums(state.n, state.terms === "copies", kit.random(5)).map((sum) => scale * sum);
    const found = variance(drawn);
    const bins = Array((2 * EDGE) / BIN + 2).fill(0); // the first and the last hold all that lies beyond
    for (const sum of drawn) bins[Math.min(Math.max(Math.floor((sum + EDGE) / BIN) + 1, 0), bins.length - 1)] += 1;
    const top = Math.max(...bins), width = 340 / bins.length;
    const weights = kit.softmax(drawn.slice(0, KEYS));
    const most = Math.max(...weights);
    const at = (sum) => 10 + width * ((sum + EDGE) / BIN + 1);
    picture.replaceChildren(
      text(10, 14, kit.say("{scores} scores, each a sum of {n}", { scores: SUMS.toLocaleString("en"), n: state.n.toLocaleString("en") })),
      ...bins.map((count, i) => kit.svg("rect", {
        x: 10 + i * width + 0.5, width: width - 1, y: 134 - (108 * count) / top, height: (108 * count) / top,
        style: `fill: var(${i === 0 || i === bins.length - 1 ? "--grey" : color()})`,
      })),
      line(10, 134, 350, 134, "--soft"),
      ...[-EDGE, -EDGE / 2, 0, EDGE / 2, EDGE].map((x) => text(at(x), 151, String(x).replace("-", "−"), "fill: var(--soft)", "middle")),
      text(10, 184, kit.say("Softmax of {n} of them: the weights of {n} keys", { n: KEYS })),
      ...weights.flatMap((p, i) => [
        kit.svg("rect", { x: 12 + 43 * i, width: 36, y: 300 - 84 * p, height: Math.max(84 * p, 0.8), style: `fill: var(${color()})` }),
        text(30 + 43 * i, 317, p < 0.005 ? "0 %" : `${(100 * p).toFixed(0)} %`, "", "middle"),
      ]),
      line(10, 300, 350, 300, "--soft"),
    );
    picture.setAttribute("data-variance", found);
    picture.setAttribute("data-most", most);
    const beyond = bins[0] + bins.at(-1);
    const words = kit.say("Variance {variance}. The largest of the {n} weights is {weight} %.", { variance: short(found), n: KEYS, weight: (100 * most).toFixed(0) });
    tell(words + (beyond ? ` ${kit.say("{n} scores lie beyond the axis (grey).", { n: beyond })}` : ""));
  }

  function stream() {
    const n = data.depths[state.depth], kind = state.scaled ? "scaled" : "plain";
    const fresh = data.fresh[state.terms][kind][state.depth];
    const now = state.trained ? data.trained[kind] : fresh;
    const x = (layer) => 56 + (290 * layer) / n;
    const y = (size) => 270 - (240 * (Math.log10(size) + 4)) / 7; // from 1e-4 to 1e3
    const path = (sizes) => sizes.map((size, layer) => `${layer ? "L" : "M"}${x(layer).toFixed(1)} ${y(size).toFixed(1)}`).join("");
    picture.replaceChildren(
      text(10, 14, kit.say("Size of the stream (mean square), {n} layers", { n })),
      ...[-4, -3, -2, -1, 0, 1, 2, 3].flatMap((power) => [
        line(56, y(10 ** power), 346, y(10 ** power)),
        text(50, y(10 ** power) + 4.5, power < 0 ? `0.${"0".repeat(-power - 1)}1` : (10 ** power).toLocaleString("en"), "fill: var(--soft)", "end"),
      ]),
      ...(state.trained ? [kit.svg("path", { d: path(fresh), style: `fill: none; stroke: var(${color()}); stroke-width: 1.5; stroke-dasharray: 4 4` })] : []),
      kit.svg("path", { d: path(now), style: `fill: none; stroke: var(${color()}); stroke-width: 3` }),
      ...[0, n / 2, n].map((layer) => text(x(layer), 288, layer, "fill: var(--soft)", "middle")),
      text(201, 308, kit.say("layer (0: the embedding)"), "fill: var(--soft)", "middle"),
      ...(state.trained ? [text(10, 326, kit.say("solid: after {n} steps of training; dashed: before", { n: data.steps }))] : []),
    );
    const size = now.at(-1);
    picture.setAttribute("data-size", size);
    picture.setAttribute("data-trained", state.trained);
    const when = state.trained
      ? kit.say("After {n} steps of training.", { n: data.steps })
      : kit.say("Before training: {n} terms, two a layer.", { n: 2 * n });
    tell(`${when} ${kit.say("The stream ends at {times} times the embedding's size.", { times: short(size / now[0]) })}`);
  }

  function tell(words) {
    said.tell(words);
    picture.setAttribute("aria-label", words);
  }
  function show() {
    for (const name of ["variance", "most", "size", "trained"]) picture.removeAttribute(`data-${name}`);
    (state.view === "score" ? score : stream)();
  }
  function set(change) {
    Object.assign(state, change);
    show();
  }
  function arrange() {
    const score = state.view === "score";
    const root = score ? "1/√d_k" : "1/√N";
    controls.replaceChildren(
      kit.choice(kit.say("The terms"), score
        ? { apart: kit.say("independent"), copies: kit.say("copies of one") }
        : { apart: kit.say("own weights a layer"), copies: kit.say("one layer, repeated") },
        (terms) => set({ terms, trained: state.trained && terms === "apart" }), state.terms),
      kit.choice(score ? kit.say("Every score, in every pass, times") : kit.say("Last matrices, once before training, times"),
        { no: "1", yes: root }, (times) => set({ scaled: times === "yes" }), state.scaled ? "yes" : "no"),
      score
        ? kit.slider(kit.say("Terms, n = d_k"), { min: 0, max: 10, step: 1, value: Math.log2(state.n), show: (power) => (2 ** power).toLocaleString("en") }, (power) => set({ n: 2 ** power }))
        : kit.slider(kit.say("Terms, N = 2 · layers"), { min: 0, max: data.depths.length - 1, step: 1, value: state.depth, show: (i) => `${2 * data.depths[i]}` },
          (depth) => set({ depth, trained: state.trained && data.depths[depth] === 12 })),
      ...(score ? [] : [kit.button(kit.say("Train {n} steps (12 layers)", { n: data.steps }), () => {
        Object.assign(state, { depth: data.depths.indexOf(12), terms: "apart", trained: true });
        arrange();
      }), kit.button(kit.say("Before training"), () => set({ trained: false }))]),
    );
  }
  root.setAttribute("aria-label", kit.say("The sum of n terms"));
  root.append(
    kit.el("div", { class: "controls" }, kit.choice(kit.say("The sum is"), { score: kit.say("a score of attention"), stream: kit.say("the stream of a stack") }, (view) => {
      state.view = view;
      arrange();
    })),
    controls, picture, said);
}
