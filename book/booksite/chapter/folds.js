// Reading shows the cells that are open, and of folded ones what they made: a small mark at its corner opens them, with
// those before it that show nothing. One switch in the header opens all, and remembers. Without scripts each fold is a
// line of its own.
document.addEventListener("DOMContentLoaded", () => {
  const header = document.querySelector(".article-header-buttons");
  const cells = document.querySelectorAll("article.bd-article div.cell:has(div.cell_input)");
  const folds = [...cells].map((cell) => cell.querySelector("details.hide")).filter(Boolean);
  if (!folds.length || !header) return;

  const mark = (output, behind) => {
    const button = document.createElement("button");
    button.className = "code-mark";
    button.type = "button";
    button.textContent = say("code");
    const names = behind.map((fold) => fold.querySelector("summary").textContent.trim());
    button.setAttribute("aria-label", `${say("code")}: ${names.join("; ")}`);
    const tell = () => button.setAttribute("aria-expanded", behind.every((fold) => fold.open));
    for (const fold of behind) fold.addEventListener("toggle", tell);
    button.addEventListener("click", () => {
      const open = !behind.every((fold) => fold.open);
      for (const fold of behind) fold.open = open;
      (open ? behind[0] : output).scrollIntoView({ block: "nearest" });
    });
    tell();
    const corner = output.querySelector("figcaption p, .claim > div:last-child");
    corner ? corner.prepend(button) : output.append(button);
  };

  const groups = []; // [an output, the folds behind it]
  let behind = [];
  for (const cell of cells) {
    const fold = cell.querySelector("details.hide");
    const output = cell.querySelector("div.cell_output");
    if (fold) behind.push(fold);
    if (output && behind.length) {
      groups.push([output, behind]);
      behind = [];
    }
  }
  if (groups.length) groups.at(-1)[1].push(...behind); // what nothing is shown of, at the end of the page
  else groups.push([cells[cells.length - 1], behind]);
  for (const group of groups) mark(...group);
  document.documentElement.classList.add("code-marked");

  const button = document.createElement("button");
  button.className = "btn btn-sm code-switch";
  button.type = "button";
  const turn = (shown) => {
    for (const fold of folds) fold.open = shown;
    button.setAttribute("aria-pressed", shown);
    button.textContent = shown ? say("Fold code") : say("Show code");
  };
  button.addEventListener("click", () => {
    const shown = button.getAttribute("aria-pressed") !== "true";
    localStorage.setItem("code", shown ? "shown" : "folded");
    turn(shown);
  });
  turn(localStorage.getItem("code") === "shown");
  header.prepend(button);
});

// Paper is white: the light theme while a page is printed.
{
  const page = document.documentElement.dataset;
  let theme;
  addEventListener("beforeprint", () => ([theme, page.theme] = [page.theme, "light"]));
  addEventListener("afterprint", () => (page.theme = theme));
}
