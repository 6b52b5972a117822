// What every explorer uses. Controls are the browser's own, so that keyboard and screen readers know them.
const kit = {
  // Words for the reader, in the language of the page; {n} stands for the value n. The page sets `words`, after this.
  words: {},
  say(words, values = {}) {
    return (kit.words[words] ?? words).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
  },
  // An element: el("p", { class: "x", onclick: f }, "text", child)
  el(tag, attributes = {}, ...children) {
    return fill(document.createElement(tag), attributes, children);
  },
  svg(tag, attributes = {}, ...children) {
    return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  },
  // A slider with its value shown: `show` makes the text, `act` is called with the number, now and at each move.
  slider(label, { min, max, step, value, show = String }, act) {
    const output = kit.el("span", { class: "value" }); // no <output>: the label would be its own
    const input = kit.el("input", { type: "range", min, max, step, value });
    const turn = () => {
      output.textContent = show(Number(input.value));
      input.setAttribute("aria-valuetext", output.textContent);
      act(Number(input.value));
    };
    input.addEventListener("input", turn);
    queueMicrotask(turn);
    return kit.el("label", { class: "slider" }, `${label}: `, output, input);
  },
  // One of several: `options` maps each value to its words. `act` is called with the value, now and at each change.
  choice(legend, options, act, value = Object.keys(options)[0]) {
    const name = `explorer-${(serial += 1)}`;
    const radios = Object.entries(options).map(([each, words]) => {
      const input = kit.el("input", { type: "radio", name, value: each, onchange: () => act(each) });
      input.checked = each === value;
      return kit.el("label", { class: "option" }, input, kit.el("span", {}, words));
    });
    queueMicrotask(() => act(value));
    return kit.el("fieldset", {}, kit.el("legend", {}, legend), ...radios);
  },
  button(words, act) {
    return kit.el("button", { type: "button", onclick: act }, words);
  },
  // A line that screen readers read out when it changes.
  said() {
    return kit.el("p", { class: "said", role: "status", "aria-live": "polite" });
  },
  // Random numbers in [0, 1) from a seed, by mulberry32.
  random(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  },
  // Probabilities of softmax(logits / temperature); at temperature 0 the argmax.
  softmax(logits, temperature = 1) {
    const top = Math.max(...logits);
    if (temperature === 0) return logits.map((z, i) => (i === logits.indexOf(top) ? 1 : 0));
    const weights = logits.map((z) => Math.exp((z - top) / temperature));
    const total = weights.reduce((a, b) => a + b, 0);
    return weights.map((w) => w / total);
  },
  // An index drawn with these probabilities: the inverse CDF.
  draw(probabilities, random) {
    let dart = random() * probabilities.reduce((a, b) => a + b, 0);
    const i = probabilities.findIndex((p) => (dart -= p) < 0);
    return i < 0 ? probabilities.findLastIndex((p) => p > 0) : i;
  },
};
let serial = Math.floor(performance.now()); // names of radio groups must differ between explorers of one page

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function start(name, mount) {
  for (const place of document.querySelectorAll(`[data-explorer="${name}"]:not([data-live])`)) {
    const root = kit.el("div", { class: "explorer-live" });
    mount(root, JSON.parse(place.querySelector('script[type="application/json"]').textContent), kit);
    place.querySelector(".explorer-still").after(root);
    place.dataset.live = ""; // now the still figure is seen on paper only
  }
}
