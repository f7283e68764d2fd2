// What is wider than the column scrolls by itself. Show that it does (course.css fades its edge) and
// let the keyboard reach it. The classes follow the width of the window.
"use strict";

const WIDE =
  "div.math, .pst-scrollable-table-container, div.highlight pre, .cell_output pre, dt.sig, " +
  "figure a.gdm-full-size, .cell_output .text_html:has(> svg.schematic)";

function markWide(box) {
  const rest = box.scrollWidth - box.clientWidth;
  const wide = rest > 1;
  box.classList.toggle("gdm-wide", wide);
  box.classList.toggle("gdm-more-left", wide && box.scrollLeft > 1);
  box.classList.toggle("gdm-more-right", wide && box.scrollLeft < rest - 1);
  if (box.matches("a[href]")) return; // the keyboard reaches a link anyway
  if (wide) box.tabIndex = 0;
  else if (box.tabIndex === 0) box.removeAttribute("tabindex");
}

document.addEventListener("DOMContentLoaded", () => {
  const boxOf = (part) => (part.matches(WIDE) ? part : part.parentElement);
  const watch = new ResizeObserver((changes) => changes.forEach((c) => markWide(boxOf(c.target))));
  for (const box of document.querySelectorAll(WIDE)) {
    watch.observe(box);
    if (box.firstElementChild) watch.observe(box.firstElementChild);
    box.addEventListener("scroll", () => markWide(box), { passive: true });
  }
});
