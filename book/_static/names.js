// Controls that the theme makes at run time, or names otherwise than it shows them.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  // What is written on the button is its name.
  for (const button of document.querySelectorAll(".search-button-field")) {
    button.removeAttribute("aria-label");
  }
  // The symbols of the colour mode carry words of their own ("Light"), of which one is seen.
  for (const symbol of document.querySelectorAll(".theme-switch-button > *")) {
    symbol.removeAttribute("title");
    symbol.removeAttribute("aria-labelledby");
    symbol.setAttribute("aria-hidden", "true");
    symbol.querySelector("title")?.remove();
  }
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
