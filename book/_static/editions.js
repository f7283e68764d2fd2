// A choice of versions below the book's title, where more than one is published side by side.
// versions.json stands beside the first page; from a file nothing can be fetched, and one version is no choice.
'use strict';
(async () => {
  const root = new URL(document.documentElement.dataset.content_root, location);
  if (location.protocol === 'file:') return;
  let table;
  try {
    table = await (await fetch(new URL('versions.json', root))).json();
  } catch {
    return; // somebody copied the pages without it
  }
  const title = document.querySelector('.sidebar-primary-items__start') || document.querySelector('.bd-sidebar-primary');
  if (!title || table.versions.length < 2) return;
  const page = location.pathname.slice(root.pathname.length);
  const label = document.createElement('label');
  label.className = 'gdm-versions';
  label.append('Version ');
  const choice = document.createElement('select');
  for (const {name, place} of table.versions) choice.add(new Option(name, place, name === table.here, name === table.here));
  choice.addEventListener('change', async () => {
    const other = new URL(choice.value, root);
    const same = new URL(page, other);
    const there = await fetch(same, {method: 'HEAD'}).then(answer => answer.ok, () => false);
    location.assign(there ? same.href + location.hash : other);
  });
  label.append(choice);
  if (table.here !== table.versions[0].name) {
    const note = document.createElement('a');
    note.href = new URL(table.versions[0].place, root);
    note.textContent = `The newest is ${table.versions[0].name}.`;
    label.append(' ', note);
  }
  const first = title.querySelector('.navbar-brand')?.closest('.sidebar-primary-item') || title.firstElementChild;
  first ? first.after(label) : title.append(label);
})();
