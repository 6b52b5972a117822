// The map: learning rate × warm-up × block, with every run behind a cell; and, of a few runs, what happens inside.
const COLOR = { "Post-LN": "--orange", "Pre-LN": "--blue" };

function mount(root, data, kit) {
  if (data.arms) inside(root, data, kit);
  else map(root, data, kit);
}

const signed = (x, digits = 2) => {
  const text = Math.abs(x).toFixed(digits);
  return `${x < 0 && Number(text) ? "−" : ""}${text}`;
};
const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function map(root, data, kit) {
  const left = 40, right = 352, top = 8, bottom = 196;
  const x = (step) => left + ((right - left) * step) / data.n_step;
  const y = (gain) => bottom - ((bottom - top) * (Math.max(gain, data.low) - data.low)) / (data.high - data.low);
  const picture = kit.svg("svg", { viewBox: "0 0 360 232", role: "img" });
  const said = kit.said();
  const buttons = [];
  const words = (row) => `${row.block}, ${row.warm ? kit.say("warm-up") : kit.say("no warm-up")}`;

  function curves(cell, style) {
    return cell.curves.map((curve) =>
      kit.svg("path", { d: path(curve.map((gain, i) => [x(data.steps[i]), y(gain)])), style: `fill: none; ${style}` }));
  }
  function choose(row, column) {
    const { block, warm, cells } = data.rows[row];
    const other = data.rows.find((each) => each.block === block && each.warm !== warm);
    const cell = cells[column];
    const line = (gain, name) => [
      kit.svg("path", { d: `M${left} ${y(gain)}H${right}`, style: "stroke: var(--soft); stroke-dasharray: 3 3" }),
      kit.svg("text", { x: left + 4, y: y(gain) - 4, style: "fill: var(--soft)" }, name),
    ];
    picture.replaceChildren(
      ...line(0, kit.say("letter frequencies")), ...line(data.bigram, kit.say("table of letter pairs")),
      ...curves(other.cells[column], "stroke: var(--grey); stroke-width: 1; stroke-dasharray: 2 2"),
      ...curves(cell, `stroke: var(${COLOR[block]}); stroke-width: 1.6`),
      kit.svg("path", { d: `M${left} ${top}V${bottom}H${right}`, style: "fill: none; stroke: var(--ink)" }),
      ...[-0.5, 0, 0.5].map((gain) => kit.svg("text", { x: left - 5, y: y(gain) + 4, "text-anchor": "end" }, signed(gain, 1))),
      ...[0, 0.5, 1].map((part) => kit.svg("text", { x: x(part * data.n_step), y: bottom + 16, "text-anchor": part === 1 ? "end" : "middle" }, String(part * data.n_step))),
      kit.svg("text", { x: right, y: bottom + 32, "text-anchor": "end" }, kit.say("step; upwards: gain (nats a character)")));
    const gains = cell.ends.map((gain) => signed(gain)).join(", ");
    const stuck = cell.ends.filter((gain) => gain < data.stuck).length;
    const name = kit.say("{block}, rate {rate}", { block: words(data.rows[row]), rate: data.rates[column] });
    picture.setAttribute("aria-label", kit.say("Gain by step. {run}: the seeds end at {gains}.", { run: name, gains }));
    const found = kit.say("{run}: gains of {gains}; stuck: {stuck} of {n}.", { run: name, gains, stuck, n: cell.ends.length });
    said.tell(`${found} ${warm ? kit.say("Dashed: without warm-up.") : kit.say("Dashed: with warm-up.")}`);
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.row === String(row) && button.dataset.column === String(column)));
    root.dataset.stuck = stuck;
  }

  const table = kit.el("table", { style: "border-collapse: separate; border-spacing: 3px; color: var(--ink); margin: 0; width: 100%" },
    kit.el("caption", { style: "caption-side: top; color: var(--soft); font-size: 0.85rem; padding: 0; text-align: left" }, kit.say("Gain by learning rate: tap a cell to see its runs")),
    kit.el("tr", {}, kit.el("td", { style: "border: 0; padding: 0" }), ...data.rates.map((rate) => kit.el("th", { scope: "col", style: `border: 0; font-size: 0.8rem; padding: 0; text-align: center; width: ${73 / data.rates.length}%` }, rate))),
    ...data.rows.map((row, i) => kit.el("tr", {},
      kit.el("th", { scope: "row", style: "border: 0; font-size: 0.8rem; font-weight: 400; line-height: 1.15; padding: 0; text-align: left" }, row.block, kit.el("br"), row.warm ? kit.say("warm-up") : kit.say("none")),
      ...row.cells.map((cell, j) => {
        const mean = cell.ends.reduce((a, b) => a + b, 0) / cell.ends.length;
        const share = Math.round(45 * Math.min(1, Math.max(0, mean / 0.5)));
        const button = kit.button(signed(mean), () => choose(i, j));
        button.setAttribute("style", `background: color-mix(in srgb, var(${COLOR[row.block]}) ${share}%, var(--ground)); font-size: 0.85rem; min-height: 2.4rem; padding: 0; width: 100%`);
        button.setAttribute("aria-label", kit.say("{block}, rate {rate}: gain {gain}", { block: words(row), rate: data.rates[j], gain: signed(mean) }));
        Object.assign(button.dataset, { row: i, column: j, gain: mean.toFixed(3) });
        buttons.push(button);
        return kit.el("td", { style: "border: 0; padding: 0" }, button);
      }))));
  const pressed = kit.el("style", {}, ".explorer button[aria-pressed='true'] { border-color: var(--ink); box-shadow: inset 0 0 0 2px var(--ink); }");
  root.setAttribute("aria-label", kit.say("The map: gain by learning rate, warm-up and block"));
  root.append(pressed, kit.el("div", { style: "overflow-x: auto; padding: 2px" }, table), picture, said);
  choose(...data.start);
}

// A few runs, update by update: several measures, each a small chart, and a slider along them.
function inside(root, data, kit) {
  const left = 44, right = 352, room = 84, gap = 36;
  const last = data.updates[data.updates.length - 1];
  const x = (update) => left + ((right - left) * update) / last;
  const picture = kit.svg("svg", { viewBox: `0 0 360 ${data.measures.length * (room + gap) + 12}`, role: "img" });
  const cursor = kit.svg("g");
  const said = kit.said();
  const charts = data.measures.map((measure, row) => {
    const top = row * (room + gap) + 25;
    const scale = (value) => (measure.log ? Math.log10(value) : value);
    const [low, high] = [scale(measure.low), scale(measure.high)];
    return { ...measure, top, y: (value) => top + room - (room * (Math.min(Math.max(scale(value), low), high) - low)) / (high - low) };
  });
  charts.forEach((chart, row) => picture.append(
    kit.svg("text", { x: 0, y: chart.top - 11, style: "font-weight: 600" }, chart.name),
    ...chart.ticks.map((tick) => kit.svg("text", { x: left - 5, y: chart.y(tick) + 4, "text-anchor": "end" }, tick.toLocaleString("en"))),
    kit.svg("path", { d: `M${left} ${chart.top}V${chart.top + room}H${right}`, style: "fill: none; stroke: var(--line)" }),
    ...data.arms.flatMap((arm) => arm.runs.map((run) =>
      kit.svg("path", { d: path(run[row].map((value, i) => [x(data.updates[i]), chart.y(value)])), style: `fill: none; stroke: var(--${arm.color}); stroke-width: 1.2; opacity: 0.85` })))));
  for (const update of [0, last / 2, last]) {
    picture.append(kit.svg("text", { x: x(update), y: data.measures.length * (room + gap) + 6, "text-anchor": update === last ? "end" : "middle" }, String(update)));
  }
  picture.append(cursor);

  const key = kit.el("p", { class: "key", style: "font-size: 0.9rem; margin: 0 0 0.3rem" },
    ...data.arms.flatMap((arm, i) => [i ? " · " : "", kit.el("span", { style: `color: var(--${arm.color}); font-weight: 600` }, arm.name)]));
  const slider = kit.slider(kit.say("After update"), { min: 0, max: data.updates.length - 1, step: 1, value: data.at ?? 0, show: (i) => String(data.updates[i]) }, (i) => {
    const mean = (arm, row) => arm.runs.reduce((sum, run) => sum + run[row][i], 0) / arm.runs.length;
    const shown = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(2));
    cursor.replaceChildren(...charts.flatMap((chart, row) => [
      kit.svg("path", { d: `M${x(data.updates[i])} ${chart.top}v${room}`, style: "stroke: var(--ink)" }),
      ...data.arms.map((arm, n) => kit.svg("text", { x: right - (data.arms.length - 1 - n) * 52, y: chart.top - 11, "text-anchor": "end", style: `fill: var(--${arm.color})` }, shown(mean(arm, row)))),
    ]));
    const spoken = data.arms.map((arm) => `${arm.name}: ${charts.map((chart, row) => `${chart.name} ${shown(mean(arm, row))}`).join(", ")}`).join(". ");
    picture.setAttribute("aria-label", kit.say("After update {n}, means of the seeds. {values}.", { n: data.updates[i], values: spoken }));
    const first = data.arms.map((arm) => `${shown(mean(arm, 0))} (${arm.name})`).join(", ");
    said.tell(`${kit.say("The numbers are means of the seeds after {n} updates.", { n: data.updates[i] })} ${charts[0].name}: ${first}.`);
    root.dataset.update = data.updates[i];
  });
  root.setAttribute("aria-label", kit.say("A few runs, update by update"));
  root.append(key, slider, picture, said);
}
