// Tell formulas.css how wide each displayed formula is, in ems of its own font.
"use strict";

function measureFormulas() {
  for (const box of document.querySelectorAll("div.math")) {
    const whole = box.querySelector("mjx-container > mjx-math");
    const part = box.querySelector('mjx-mtable[side="right"] > mjx-table') || whole;
    if (!whole) continue;
    // A range, not the element: an untagged formula fills its line.
    const range = document.createRange();
    range.selectNodeContents(part);
    const em = parseFloat(getComputedStyle(whole).fontSize);
    box.style.setProperty("--gdm-em", (range.getBoundingClientRect().width / em).toFixed(2));
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const typeset = window.MathJax && MathJax.startup && MathJax.startup.promise;
  if (typeset) typeset.then(() => document.fonts.ready).then(measureFormulas);
});
