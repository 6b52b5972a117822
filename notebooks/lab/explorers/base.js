// What every explorer uses. Controls are the browser's own, so that keyboard and screen readers know them. A page that is
// loaded again starts again: browsers, which would set the controls and not the picture, are asked to leave them alone.
const REST = 400; // milliseconds
const SIDEWAYS = 8; // pixels
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
    const output = kit.el("span", { class: "value", "aria-hidden": "true" }); // else a part of the slider's name
    const input = kit.el("input", { type: "range", autocomplete: "off", min, max, step, value });
    const turn = () => {
      output.textContent = show(Number(input.value));
      input.setAttribute("aria-valuetext", output.textContent);
      act(Number(input.value));
    };
    // A finger may land here to scroll the page: the slider stays where it is until the finger goes sideways or lifts.
    let touch = null;
    input.addEventListener("pointerdown", (event) => {
      touch = event.pointerType === "touch" ? { x: event.clientX, before: input.value, asked: input.value } : null;
    });
    input.addEventListener("input", () => {
      if (!touch) return turn();
      touch.asked = input.value;
      input.value = touch.before;
    });
    const lift = () => {
      const asked = touch?.asked ?? input.value;
      touch = null;
      if (asked === input.value) return;
      input.value = asked;
      turn();
    };
    input.addEventListener("pointermove", (event) => touch && Math.abs(event.clientX - touch.x) > SIDEWAYS && lift());
    input.addEventListener("pointerup", lift);
    input.addEventListener("pointercancel", () => (touch = null)); // the page scrolls
    queueMicrotask(turn);
    return kit.el("label", { class: "slider" }, `${label}: `, output, input);
  },
  // One of several: `options` maps each value to its words. `act` is called with the value, now and at each change.
  choice(legend, options, act, value = Object.keys(options)[0]) {
    const name = `explorer-${(serial += 1)}`;
    const radios = Object.entries(options).map(([each, words]) => {
      const input = kit.el("input", { type: "radio", autocomplete: "off", name, value: each, onchange: () => act(each) });
      input.checked = each === value;
      return kit.el("label", { class: "option" }, input, kit.el("span", {}, words));
    });
    queueMicrotask(() => act(value));
    return kit.el("fieldset", {}, kit.el("legend", {}, legend), ...radios);
  },
  button(words, act) {
    return kit.el("button", { type: "button", onclick: act }, words);
  },
  // A line that tells what is found now, at once; screen readers read it out when nothing has moved for a while.
  said() {
    const seen = kit.el("p", { class: "said", "aria-hidden": "true" });
    const spoken = kit.el("p", { class: "spoken", role: "status", "aria-live": "polite" });
    let timer;
    const tell = (words) => {
      seen.textContent = words;
      clearTimeout(timer);
      if (spoken.isConnected) timer = setTimeout(() => (spoken.textContent = words), REST);
      else spoken.textContent = words;
    };
    return Object.assign(kit.el("div", {}, seen, spoken), { tell });
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
    place.dataset.live = "";
    const root = kit.el("div", { class: "explorer-live", role: "group" }); // `mount` gives it its name, an aria-label
    mount(root, JSON.parse(place.querySelector('script[type="application/json"]').textContent), kit);
    // when the controls have set themselves, so that nothing of it is read out as a change; the still is then for paper
    setTimeout(() => place.querySelector(".explorer-still").after(root));
  }
}
