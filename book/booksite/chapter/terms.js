// Shows a term's definition beside its link: while the pointer is on either, while the link has the focus, or after a
// tap, whose second one follows the link. Escape closes it. Without scripts the link leads to the glossary.
document.addEventListener("DOMContentLoaded", () => {
  const pause = 200; // milliseconds
  let open = null, opener = null, timer = 0;

  const close = () => {
    clearTimeout(timer);
    if (open) open.hidden = true;
    open = null;
  };
  const later = (action) => {
    clearTimeout(timer);
    timer = setTimeout(action, pause);
  };
  const show = (link, box) => {
    clearTimeout(timer);
    if (open === box) return;
    close();
    [open, opener] = [box, link];
    box.hidden = false;
    place();
  };
  const place = () => {
    if (!open) return;
    const line = opener.getClientRects()[0], size = open.getBoundingClientRect();
    const left = Math.min(line.left, document.documentElement.clientWidth - size.width - 8);
    const below = line.bottom + 6 + size.height <= innerHeight || line.top < size.height + 6;
    open.style.left = `${Math.max(8, left)}px`;
    open.style.top = `${below ? line.bottom + 6 : line.top - size.height - 6}px`;
  };

  for (const link of document.querySelectorAll('article a.reference[href*="#term-"]')) {
    const box = document.getElementById(`definition-${decodeURIComponent(link.hash.slice(1))}`);
    if (!box) continue;
    let touched = false;
    link.classList.add("term");
    link.setAttribute("aria-describedby", box.id);
    link.addEventListener("pointerdown", (event) => (touched = event.pointerType !== "mouse"));
    link.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && later(() => show(link, box)));
    link.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && later(close));
    link.addEventListener("focus", () => link.matches(":focus-visible") && show(link, box));
    link.addEventListener("blur", () => later(close));
    link.addEventListener("click", (event) => {
      if (touched && open !== box) {
        event.preventDefault();
        show(link, box);
      }
    });
    box.addEventListener("pointerenter", () => clearTimeout(timer));
    box.addEventListener("pointerleave", () => later(close));
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && close());
  document.addEventListener("pointerdown", (event) => {
    if (open && !event.target.closest(".definition, a.term")) close();
  });
  for (const change of ["scroll", "resize"]) addEventListener(change, place, { passive: true });
  new ResizeObserver(place).observe(document.body); // formulas that are set later move the link
});
