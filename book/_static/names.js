// Controls that the theme makes at run time, or names otherwise than it shows them.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  // What is written on the button is its name.
  for (const button of document.querySelectorAll(".search-button-field")) {
    button.removeAttribute("aria-label");
  }
  // Its symbols carry words of their own ("Light"), of which one is seen.
  for (const symbol of document.querySelectorAll(".theme-switch-button > *")) {
    symbol.setAttribute("aria-hidden", "true");
  }
  // A signature over several lines is set as a list of definitions without terms.
  for (const part of document.querySelectorAll("dt.sig dl, dt.sig dd")) {
    part.setAttribute("role", "presentation");
  }
  // The logo and the search stand beside the navigation, in no region.
  const bar = document.querySelector(".bd-sidebar-primary");
  if (bar) {
    bar.setAttribute("role", "complementary");
    bar.setAttribute("aria-label", "Side bar");
  }
});
