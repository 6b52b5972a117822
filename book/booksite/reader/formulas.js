// Formulas are copied as the TeX that they were written in.
document.addEventListener("copy", (event) => {
  const selection = getSelection();
  if (!selection.rangeCount) return;
  const range = selection.getRangeAt(0).cloneRange();
  const formula = (node) => (node.closest ? node : node.parentElement).closest(".math");
  const [first, last] = [formula(range.startContainer), formula(range.endContainer)];
  if (first) range.setStartBefore(first); // a formula is copied whole
  if (last) range.setEndAfter(last);
  const copied = document.createElement("div");
  copied.append(range.cloneContents());
  const formulas = copied.querySelectorAll(".math");
  if (!formulas.length) return;
  for (const each of formulas) {
    const dollars = each.matches("div") ? "$$" : "$";
    each.textContent = dollars + each.dataset.tex.trim() + dollars;
  }
  event.clipboardData.setData("text/html", copied.innerHTML);
  // as text, in lines as it is shown
  copied.style.cssText = "position: absolute; opacity: 0";
  document.body.append(copied);
  event.clipboardData.setData("text/plain", copied.innerText);
  copied.remove();
  event.preventDefault();
});
