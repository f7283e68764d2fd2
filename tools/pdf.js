// Makes a page of the book ready for paper. Hints and solutions go to the chapter's end, where a textbook has them; every
// place that a link may want gets a name; what is too wide is made smaller. Returns the headings.
const article = document.querySelector('article');
const made = (tag, kind, text) => {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text) node.textContent = text;
  return node;
};
document.documentElement.dataset.theme = document.documentElement.dataset.mode = 'light';

const ready = (async () => {
  const top = article.querySelector('h1');
  const kicker = arguments[0];
  if (top && kicker) top.before(made('p', 'paper-kicker', kicker));

  for (const number of article.querySelectorAll('.section-number')) number.remove();
  for (const link of article.querySelectorAll('a.gdm-full-size')) link.removeAttribute('href');
  for (const fold of article.querySelectorAll('details:not(.hide):not(.gdm-answer)')) fold.open = true;

  const answers = made('section', 'paper-solutions');
  answers.id = 'hints-and-solutions';
  answers.append(made('h2', '', 'Hints and solutions'));
  for (const exercise of article.querySelectorAll('section[id^="exercise-"]')) {
    const hints = [...exercise.querySelectorAll('details:not(.hide)')].filter(
      fold => /^Hint/.test(fold.querySelector('summary')?.textContent));
    const solutions = [...exercise.querySelectorAll('.exercise-solution')];
    for (const tests of exercise.querySelectorAll('.exercise-tests')) tests.remove();
    if (!hints.length && !solutions.length) continue;
    const part = made('section');
    part.id = `${exercise.id}-solution`;
    const title = exercise.querySelector('h3').cloneNode(true);
    title.querySelector('.headerlink')?.remove();
    part.append(title);
    for (const hint of hints) {
      const summary = hint.querySelector('summary');
      const start = made('strong', '', `${summary.textContent}. `);
      summary.remove();
      hint.querySelector('p')?.prepend(start);
      part.append(...hint.childNodes);
      hint.remove();
    }
    if (solutions.length) part.append(made('p')), part.lastChild.append(made('strong', '', 'Solution.'));
    for (const solution of solutions) {
      for (const pre of solution.querySelectorAll('pre'))
        pre.innerHTML = pre.innerHTML.split('\n').filter(line => !/### (BEGIN|END) SOLUTION/.test(line)).join('\n');
      for (const fold of solution.querySelectorAll('details')) fold.replaceWith(...[...fold.children].slice(1));
      part.append(solution);
    }
    answers.append(part);
    const note = made('p', 'paper-note');
    const link = made('a', '', `${hints.length ? 'Hints and a solution' : 'A solution'}: at the end of this chapter`);
    link.href = `#${part.id}`;
    note.append(link, '.');
    exercise.append(note);
  }
  if (answers.children.length > 1) (article.querySelector('section') || article).append(answers);

  await Promise.all([...article.querySelectorAll('img')].map(img => {
    img.loading = 'eager';
    return img.decode().catch(() => null);
  }));
  // A formula in a line of its own that is too wide is made smaller, to two thirds at most.
  for (const box of article.querySelectorAll('div.math')) {
    const formula = box.querySelector('mjx-math');
    if (!formula || !box.checkVisibility()) continue;
    const [wanted, width] = [formula.scrollWidth, box.clientWidth];
    const inside = Math.max(...[...formula.querySelectorAll('mjx-mtable, mjx-itable')].map(t => t.getBoundingClientRect().width), formula.getBoundingClientRect().width, wanted);
    if (inside > width) box.style.fontSize = `${Math.max(67, Math.floor(100 * width / inside) - 1)}%`;
  }
  // Chromium names the places to which the page itself links.
  const places = made('div');
  for (const node of article.querySelectorAll('[id]')) {
    const link = made('a');
    link.href = `#${encodeURIComponent(node.id)}`;
    places.append(link);
  }
  article.append(places);

  return [...article.querySelectorAll('h1, h2, h3')].filter(h => h.checkVisibility()).map(heading => {
    const copy = heading.cloneNode(true);
    copy.querySelector('.headerlink')?.remove();
    for (const formula of copy.querySelectorAll('mjx-container'))
      formula.replaceWith(formula.querySelector('mjx-assistive-mml')?.textContent || '');
    const place = heading.id || heading.closest('section[id]')?.id || '';
    return [Number(heading.tagName[1]), place, copy.textContent.replace(/\s+/g, ' ').trim()];
  });
})();
const done = arguments[arguments.length - 1];
ready.then(done, error => done(`error: ${error}`));
