'use strict';
// The words that an address is made of; names of folders and endings say nothing.
function wordsOf(path) {
  const plain = path.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase().split(/[^\p{L}\p{N}]+/u);
  return plain.filter(word => word && !/^(html?|ipynb|md|index|book|notebooks|api|v?\d+)$/.test(word));
}

// How alike two texts are, from 0 to 1, by the pairs of neighbouring letters that both have (Dice).
function alike(a, b) {
  const pairs = text => Array.from({length: Math.max(text.length - 1, 0)}, (_, i) => text.slice(i, i + 2));
  const left = pairs(a), right = pairs(b), all = left.length + right.length;
  let common = 0;
  for (const pair of left) {
    const place = right.indexOf(pair);
    if (place >= 0) { common += 1; right.splice(place, 1); }
  }
  return all ? 2 * common / all : 0;
}

// The page whose address, or title, is most like what was asked for; none if nothing is. Lessons come before pages about them.
function nearestPage(path, names, titles) {
  const plain = text => text.toLowerCase().replace(/\.(html?|ipynb|md)$/, '').replace(/[^\p{L}\p{N}]+/gu, ' ').trim();
  const parts = path.replace(/\/+$/, '').split('/');
  const last = plain(parts.at(-1)), both = plain(parts.slice(-2).join('/'));
  const scores = names.map((name, i) => (name.startsWith('notebooks/') ? 0.05 : 0) + Math.max(
    alike(both, plain(name)), alike(last, plain(name.split('/').pop())), alike(last, plain(titles[i]))));
  const best = scores.indexOf(Math.max(...scores));
  return scores[best] >= 0.45 ? best : -1;
}

// What the book's own search finds: pages with all words first, then those with the most of them.
function findAll(words) {
  // The best comes last. A page is found once more for each of its titles that has the words: its best place counts.
  const find = text => {
    Scorer.words = text;
    const best = new Map();
    for (const found of Search._performSearch(...Search._parseQuery(text)).reverse()) {
      if (!best.has(found[0])) best.set(found[0], found[4]);
    }
    return best;
  };
  const together = [...find(words.join(' ')).keys()];
  const sum = new Map(together.map((page, i) => [page, 1e9 - i * 1e6]));
  for (const word of words.length > 1 ? words : []) {
    for (const [page, score] of find(word)) sum.set(page, (sum.get(page) || 0) + score + 1000);
  }
  return [...sum].sort((a, b) => b[1] - a[1]).map(([page]) => page);
}

// Where the book begins: the longest beginning of the address below which its index lies.
async function findBook(path) {
  for (let cut = path.lastIndexOf('/'); cut >= 0; cut = path.lastIndexOf('/', cut - 1)) {
    const place = path.slice(0, cut + 1);
    const answer = await fetch(place + 'searchindex.js', {method: 'HEAD'}).catch(() => null);
    if (answer && answer.ok) return place;
    if (cut === 0) break;
  }
  return null;
}

function load(source) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    Object.assign(script, {src: source, onload: resolve, onerror: reject});
    document.head.append(script);
  });
}

function show(id, fill) {
  const part = document.getElementById(id);
  fill(part);
  part.hidden = false;
}

async function help() {
  const address = decodeURI(location.pathname);
  document.getElementById('asked').textContent = address;
  const book = await findBook(location.pathname);
  if (book === null) return;
  show('home', part => { part.querySelector('a').href = book; });
  const asked = decodeURI(location.pathname.slice(book.length)), words = wordsOf(asked);
  document.documentElement.dataset.content_root = book;
  for (const name of ['documentation_options', 'doctools', 'sphinx_highlight', 'language_data', 'searchtools']) {
    await load(`${book}_static/${name}.js`);
  }
  show('search', part => { part.action = book + 'search.html'; part.querySelector('input').value = words.join(' '); });
  await load(book + 'searchindex.js');
  const {docnames} = Search._index;
  const titles = Search._index.titles.map(title => new DOMParser().parseFromString(title, 'text/html').body.textContent);
  const link = (part, i) => Object.assign(part, {href: `${book}${docnames[i]}.html`, textContent: titles[i]});
  const nearest = nearestPage(asked, docnames, titles);
  if (nearest >= 0) show('nearest', part => link(part.querySelector('a'), nearest));
  const found = words.length ? findAll(words).slice(0, 8) : [];
  if (!found.length) return;
  show('found', part => {
    part.querySelector('h2').textContent = `Found for “${words.join(' ')}”`;
    for (const page of found) {
      const item = document.createElement('li');
      item.append(link(document.createElement('a'), docnames.indexOf(page)));
      part.querySelector('ul').append(item);
    }
  });
}

help().finally(() => { document.documentElement.dataset.ready = 'yes'; });
