// Formulas are typeset and what is too high for its slide is made smaller before the deck starts; reveal.js then shows it.
(async () => {
  const LEAST = 0.6;
  await MathJax.startup.promise;
  const slides = [...document.querySelectorAll('.slides > section')];
  const root = document.querySelector('.reveal .slides');
  await MathJax.typesetPromise([root]);
  await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
  await document.fonts.ready;

  // Measured in a plain column, at the size of a slide, where all of them are seen.
  root.style.cssText = 'width: 1280px; position: static; transform: none';
  for (const slide of slides) {
    slide.style.cssText = 'display: block; position: relative; width: 1280px; visibility: visible; opacity: 1';
    const fit = slide.querySelector('.fit');
    for (const formula of slide.querySelectorAll('.formula')) {
      const inside = formula.querySelector('mjx-math');
      const width = formula.clientWidth - 48;
      const wanted = inside ? Math.max(inside.scrollWidth, ...[...inside.querySelectorAll('mjx-itable, mjx-mlabeledtr')].map(t => t.scrollWidth)) : 0;
      if (wanted > width) formula.style.fontSize = `${Math.max(LEAST, 1.2 * width / wanted - 0.01)}em`;
    }
    const over = () => Math.max(...[...fit.children].map(part => part.getBoundingClientRect().bottom)) >
      fit.getBoundingClientRect().bottom + 1;
    for (let size = 1; size > LEAST && over(); size -= 0.04) fit.style.fontSize = `${(size - 0.04).toFixed(2)}em`;
    slide.dataset.size = fit.style.fontSize || '1em';
  }
  for (const slide of slides) slide.style.cssText = '';
  root.style.cssText = '';

  const look = () => document.documentElement.dataset.look ||
    (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  await Reveal.initialize({
    width: 1280, height: 720, margin: 0.02, minScale: 0.1, maxScale: 3, center: false, hash: true,
    slideNumber: 'c/t', transition: 'none', backgroundTransition: 'none', scrollActivationWidth: 0,
    plugins: [RevealNotes],
    keyboard: {68: () => { document.documentElement.dataset.look = look() === 'dark' ? 'light' : 'dark'; }},
  });
  Reveal.registerKeyboardShortcut('D', 'Light or dark');
  document.documentElement.dataset.ready = 'yes';
})();
