// Regions of the page that the theme makes without a name.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  // The logo and the search stand beside the navigation, in no region.
  const bar = document.querySelector(".bd-sidebar-primary");
  if (bar) {
    bar.setAttribute("role", "complementary");
    bar.setAttribute("aria-label", "Side bar");
  }
  for (const notes of document.querySelectorAll("aside.footnote-list")) {
    notes.setAttribute("aria-label", "Footnotes");
  }
});
