// What does not fit on the paper: it ends beyond the edge, or a box would have to be scrolled.
const problems = [];
const width = document.documentElement.clientWidth;
const parts = 'article :is(pre, table, div.math, span.math, figure, img, svg, dt.sig)';
for (const part of document.querySelectorAll(parts)) {
  if (!part.checkVisibility() || part.closest('mjx-assistive-mml')) continue;
  const range = document.createRange();
  range.selectNodeContents(part.querySelector('mjx-math') || part);
  const ends = Math.max(range.getBoundingClientRect().right,
                        part.matches('img, svg') ? part.getBoundingClientRect().right : 0);
  const what = part.tagName.toLowerCase() + ' ' + part.textContent.trim().slice(0, 40);
  if (ends > width + 1) problems.push('ends at ' + Math.round(ends) + ' of ' + width + ': ' + what);
  for (let box = part; box && box.tagName !== 'BODY'; box = box.parentElement) {
    const style = getComputedStyle(box);
    if (style.overflowX !== 'visible' && box.scrollWidth > box.clientWidth + 1 ||
        style.overflowY !== 'visible' && box.scrollHeight > box.clientHeight + 1) {
      problems.push('a box would scroll: ' + what);
      break;
    }
  }
}
return [...new Set(problems)].slice(0, 8);
