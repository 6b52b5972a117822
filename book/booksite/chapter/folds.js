// One switch in the header shows or folds all code, and remembers. Without scripts each fold opens by itself.
document.addEventListener("DOMContentLoaded", () => {
  const folds = document.querySelectorAll("details.hide");
  const header = document.querySelector(".article-header-buttons");
  if (!folds.length || !header) return;
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
