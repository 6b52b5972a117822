// The stack: the size of the stream and the gradient at W2, layer by layer, untrained and in training.
const LEFT = 46, WIDTH = 304;
const MODELS = { one: kit.say("a single stack"), two: kit.say("encoder-decoder"), training: kit.say("in training") };

function mount(root, data, kit) {
  const state = { norm: "Post-LN", factor: false, model: "one", depth: null, step: 0 };
  const picture = kit.svg("svg", { viewBox: "0 0 360 372", role: "img" });
  const said = kit.said();
  const setting = kit.el("div", { style: "flex: 1 1 12rem" });
  const name = () => state.norm + (state.factor ? ", factor" : ""); // as in the data
  const named = () => (state.factor ? kit.say("{norm}, factor", { norm: state.norm }) : state.norm);
  const depths = () => Object.keys(data[state.model][name()]).map(Number);

  // The powers of ten between which all gradients of the chosen model lie, so that moving it moves no axis.
  function span() {
    const all = Object.values(data[state.model]).flatMap((each) => Object.values(each)).flatMap((each) => each.gradient.flat());
    return [Math.min(...all), Math.max(...all)].map(Math.log10).map((x, i) => (i ? Math.ceil(x) : Math.floor(x)));
  }
  function panel(title, top, height, [low, high], n, lines, first, law) {
    const x = (layer) => LEFT + (WIDTH * layer) / n;
    const y = (value) => top + height - (height * (Math.log10(value) - low)) / (high - low);
    const path = (line) => line.map((value, i) => `${i ? "L" : "M"}${x(i + first).toFixed(1)},${y(value).toFixed(1)}`).join("");
    const color = state.norm === "Post-LN" ? "--orange" : state.factor ? "--green" : "--blue";
    const powers = Array.from({ length: high - low + 1 }, (_, i) => low + i);
    return [
      kit.svg("text", { x: 4, y: top - 9 }, title),
      ...powers.flatMap((power) => [
        kit.svg("line", { x1: LEFT, x2: LEFT + WIDTH, y1: y(10 ** power), y2: y(10 ** power), style: "stroke: var(--line); stroke-width: 0.7" }),
        kit.svg("text", { x: LEFT - 6, y: y(10 ** power) + 4.5, "text-anchor": "end" }, power < -2 || power > 3 ? `1e${power}` : String(10 ** power).slice(0, 5)),
      ]),
      ...lines.map((line) => kit.svg("path", { d: path(line), style: `fill: none; stroke: var(${color}); stroke-width: 1.5; opacity: 0.75` })),
      ...(law ? [kit.svg("path", { d: path(law), "data-law": "", style: "fill: none; stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 5 4" })] : []),
    ];
  }
  function show() {
    const training = state.model === "training";
    const found = training ? data.training[name()][state.step] : data[state.model][name()][state.depth];
    const n = found.gradient[0].length;
    const longest = training ? n : Math.max(...depths());
    const ratios = found.gradient.map((line) => Math.log(line[n - 1] / line[0]));
    const ratio = Math.exp(ratios.reduce((a, b) => a + b) / ratios.length);
    const size = found.size.reduce((sum, line) => sum + line[n], 0) / found.size.length;
    const ticks = Array.from({ length: 4 }, (_, i) => Math.round((longest * i) / 3));
    picture.replaceChildren(
      ...panel(kit.say("mean square of the stream"), 24, 96, [-1, 3], longest, found.size, 0),
      ...panel(kit.say("gradient norm at W2"), 156, 168, span(), longest, found.gradient, 1, found.law),
      ...ticks.map((tick) => kit.svg("text", { x: LEFT + (WIDTH * tick) / longest, y: 342, "text-anchor": "middle" }, tick)),
      kit.svg("text", { x: LEFT + WIDTH / 2, y: 364, "text-anchor": "middle" }, kit.say("layer, counted from the input")),
    );
    const where = training
      ? kit.say("after {n} updates", { n: data.steps[state.step] })
      : state.model === "two" ? kit.say("{n} layers in the decoder, untrained", { n }) : kit.say("{n} layers, untrained", { n });
    const tokens = training ? ` ${kit.say("Mean cosine between two tokens at the end: {cosine}.", { cosine: found.alike.toFixed(3) })}` : "";
    const words = kit.say("{design}, {where}: the last layer's gradient is {ratio} times the first's.", { design: named(), where, ratio: round(ratio) }) + tokens;
    picture.dataset.ratio = ratio;
    picture.dataset.size = size;
    picture.dataset.layers = n;
    picture.setAttribute("aria-label", `${words} ${kit.say("The stream ends at a mean square of {size}.", { size: round(size) })}`);
    said.tell(words);
  }
  const round = (x) => (x < 10 ? x.toPrecision(2) : Math.round(x).toLocaleString("en"));

  // A slider over depths, or over the updates of training.
  function settings() {
    if (state.model === "training") {
      setting.replaceChildren(kit.slider(kit.say("Updates made"), { min: 0, max: data.steps.length - 1, step: 1, value: state.step, show: (i) => String(data.steps[i]) }, (i) => { state.step = i; show(); }));
    } else {
      const offered = depths();
      const known = offered.indexOf(state.depth);
      const at = known < 0 ? offered.length - 1 : known;
      state.depth = offered[at];
      setting.replaceChildren(kit.slider(kit.say("Layers"), { min: 0, max: offered.length - 1, step: 1, value: at, show: (i) => String(offered[i]) }, (i) => { state.depth = offered[i]; show(); }));
    }
  }
  root.setAttribute("aria-label", kit.say("The stack: stream and gradient, layer by layer"));
  root.append(
    kit.el("div", { class: "controls" },
      kit.choice(kit.say("Norm"), { "Post-LN": "Post-LN", "Pre-LN": "Pre-LN" }, (norm) => { state.norm = norm; settings(); }),
      kit.choice(kit.say("Factor 1/√(2·n_layer)"), { off: kit.say("off"), on: kit.say("on") }, (factor) => { state.factor = factor === "on"; settings(); }),
      kit.choice(kit.say("Model"), MODELS, (model) => { state.model = model; settings(); }),
      setting),
    picture, said);
}
