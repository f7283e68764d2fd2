// Tell formulas.css how wide each displayed formula is, and each long one in a line of text, in ems of
// its own font.
"use strict";

const LONG = 14;

function widthInEms(part) {
  // A range, not the element: a formula without a number fills its line.
  const range = document.createRange();
  range.selectNodeContents(part);
  return range.getBoundingClientRect().width / parseFloat(getComputedStyle(part).fontSize);
}

function measureFormulas() {
  for (const box of document.querySelectorAll("div.math, span.math")) {
    const whole = box.querySelector("mjx-math");
    if (!whole) continue;
    const ems = widthInEms(box.querySelector('mjx-mtable[side="right"] > mjx-table') || whole);
    if (box.matches("span.math") && ems < LONG) continue;
    box.style.setProperty("--gdm-em", ems.toFixed(2));
    box.classList.add("gdm-long");
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const typeset = window.MathJax && MathJax.startup && MathJax.startup.promise;
  if (typeset) typeset.then(() => document.fonts.ready).then(measureFormulas);
});
