// What the theme leaves out for keyboards and screen readers.
document.addEventListener("DOMContentLoaded", () => {
  // What scrolls is a stop for the tab key, also where it scrolls only once it is unfolded; nothing else is.
  // A formula is as wide as its glyphs' boxes; in the letters of another font, until its own is there, it would be wider.
  const width = (box) => (box.matches("mjx-container") ? box.firstElementChild.offsetWidth : box.scrollWidth);
  const goesOn = (box) => box.classList.toggle("goes-on", box.scrollLeft + box.clientWidth < width(box) - 1);
  const stops = new ResizeObserver((entries) => {
    for (const { target: box } of entries) {
      const scrolls = width(box) > box.clientWidth + 1; // what is half a pixel wider does not
      scrolls ? box.setAttribute("tabindex", 0) : box.removeAttribute("tabindex");
      if (box.matches(".pst-scrollable-table-container")) {
        scrolls ? box.setAttribute("role", "group") : box.removeAttribute("role");
        scrolls ? box.setAttribute("aria-label", say("Table")) : box.removeAttribute("aria-label");
      }
      if (box.matches("mjx-container")) {
        goesOn(box);
        box.onscroll = () => goesOn(box);
      }
    }
  });
  const boxes = "article :is(pre, .cell_output > .output, .pst-scrollable-table-container, .math > mjx-container)";
  for (const box of document.querySelectorAll(boxes)) stops.observe(box);

  // A folded solution's button, made by another listener of this event, is called what it unfolds.
  setTimeout(() => {
    for (const button of document.querySelectorAll(".toggle-button")) {
      button.setAttribute("aria-label", button.parentElement.textContent.trim());
    }
  });

  // A tooltip of the theme is for a pointer that rests and for the keyboard; after a tap it would stay.
  let touched = false;
  document.addEventListener("pointerover", (event) => (touched = event.pointerType === "touch"), true);
  document.addEventListener("keydown", () => (touched = false), true);
  document.addEventListener("show.bs.tooltip", (event) => touched && event.preventDefault());

  // A sidebar that lies over the page keeps the focus until it is closed, and its button says whether it is open.
  for (const side of ["primary", "secondary"]) {
    const sidebar = document.querySelector(`.bd-sidebar-${side}`);
    const button = document.querySelector(`button.${side}-toggle`);
    if (!sidebar || !button) continue;
    const toggle = document.getElementById(`pst-${side}-sidebar-checkbox`);
    const covered = [];
    for (let part = sidebar; part !== document.body; part = part.parentElement) {
      covered.push(...[...part.parentElement.children].filter((other) => other !== part));
    }
    const tell = () => {
      const over = getComputedStyle(sidebar).position === "fixed"; // else the checked box hides it
      button.setAttribute("aria-expanded", over === toggle.checked);
      for (const part of covered) part.inert = over && toggle.checked && !part.matches(".overlay, .search-button__wrapper");
    };
    const close = () => {
      toggle.checked = false;
      tell();
    };
    button.addEventListener("click", () => setTimeout(tell)); // after the theme's own listener
    document.addEventListener("change", tell, true);
    for (const change of ["resize", "pageshow"]) window.addEventListener(change, tell); // browsers open it on the way back
    sidebar.addEventListener("keydown", (event) => event.key === "Escape" && close(), true); // the theme moves the focus
    sidebar.addEventListener("click", (event) => {
      if (event.target.closest("a[href^='#']") && getComputedStyle(sidebar).position === "fixed") close();
    });
    tell();
  }
});
