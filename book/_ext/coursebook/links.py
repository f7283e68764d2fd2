"""Links: in notebook outputs, to names of the library, and to files of the repository."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxRole
from sphinx.util.nodes import clean_astext, make_refnode

_SOURCE_LINK = re.compile(
    r"""(?P<start>href\s*=\s*["'])(?P<path>(?![a-z][a-z0-9+.-]*:|//)[^"'#?]+?)\.(?:ipynb|md)(?=["'#?])"""
)


def rewrite_source_links(html: str) -> str:
    """Turn relative links to notebooks and pages (.ipynb, .md) into links to the built pages."""
    return _SOURCE_LINK.sub(r"\g<start>\g<path>.html", html)


_PLAN_LINK = re.compile(
    r"""<a href=["'](?P<plan>[^"'#]*\blessons\.html#lesson-(?P<number>\d\d))["'](?P<more>[^>]*)>"""
)
PLANNED = '<p class="gdm-planned">Grey: planned.</p>'


def follow_plan(html: str, lessons: Mapping[str, str]) -> str:
    """Let links to the plan of a lesson lead to the lesson, or mark them as planned.

    Args:
        html: With links to ``lessons.html#lesson-04``.
        lessons: The page of each lesson that exists, by its number.
    """

    def follow(link: re.Match[str]) -> str:
        page = lessons.get(link["number"])
        if page:
            return f'<a href="{page}"{link["more"]}>'
        more = re.sub(r'(aria-label="[^"]*)"', r'\1, planned"', link["more"])
        return f'<a class="gdm-planned" href="{link["plan"]}"{more}>'

    marked = _PLAN_LINK.sub(follow, html)
    return marked + PLANNED if 'class="gdm-planned"' in marked else marked


class RewriteOutputLinks(SphinxTransform):
    """A notebook's HTML output links to its neighbours' sources; in the book they are pages."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Rewrite the links of every piece of raw HTML."""
        found = sorted(Path(self.app.srcdir, "notebooks").glob("[0-9][0-9]_*.ipynb"))
        lessons = {path.name[:2]: f"{path.stem}.html" for path in found}
        for node in self.document.findall(nodes.raw):
            if "html" in node.get("format", "").split():
                html = follow_plan(rewrite_source_links(node.astext()), lessons)
                node.children = [nodes.Text(html)]


def anchors(document: nodes.document) -> dict[str, tuple[int, str, str]]:
    """Return every identifier of a document as MyST wants it: line, identifier, text."""
    return {
        name: (node.line or 0, name, _title(node))
        for name, node in document.ids.items()
        if isinstance(node, nodes.Element)
    }


def _title(node: nodes.Element) -> str:
    title = node.next_node(nodes.title)
    return clean_astext(title if isinstance(node, nodes.section) and title else node)


def _remember_anchors(app: Sphinx, document: nodes.document) -> None:
    # MyST resolves `page.md#anchor`, the form that GitHub and Colab understand, for headings only.
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for name, anchor in anchors(document).items():
        slugs.setdefault(name, anchor)


def public_name(target: str, known: Iterable[str]) -> str | None:
    """Return the documented name of an object that is known by where it is defined.

    ``gdmlib.data.base.Dataset`` is documented as ``gdmlib.data.Dataset``: the documented name that
    ends alike and shares the longest beginning wins; a tie has no answer.
    """
    last = target.rpartition(".")[2]
    alike = sorted(name for name in known if name.rpartition(".")[2] == last)
    if not alike:
        return None

    def shared(name: str) -> int:
        pairs = zip(name.split("."), target.split("."), strict=False)
        return sum(1 for _ in _while_equal(pairs))

    best = max(map(shared, alike))
    winners = [name for name in alike if shared(name) == best]
    return winners[0] if len(winners) == 1 else None


def _while_equal(pairs: Iterable[tuple[str, str]]) -> Iterable[str]:
    for left, right in pairs:
        if left != right:
            return
        yield left


def exists(target: str, module: str | None = None) -> bool:
    """Tell whether a dotted name of the library, or a name within `module`, can be imported."""
    candidates = [f"{module}.{target}"] if module else []
    for name in [*candidates, target]:
        parts = name.split(".")
        if parts[0] != "gdmlib":
            continue
        for cut in range(len(parts), 0, -1):
            try:
                found: Any = import_module(".".join(parts[:cut]))
                for part in parts[cut:]:
                    found = getattr(found, part)
            except (ImportError, AttributeError):
                continue
            return True
    return False


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.TextElement
) -> nodes.Element | None:
    """Link a name of the library; one that exists and has no entry of its own stays plain text.

    A name that does not exist is left to Sphinx, which warns, so that a misspelling cannot pass.
    """
    if node.get("refdomain") != "py":
        return None
    target, module = node["reftarget"], node.get("py:module")
    if not exists(target, module):
        return None
    objects = env.get_domain("py").objects  # type: ignore[attr-defined]
    ours = [name for name in objects if name.startswith("gdmlib.")]
    name = public_name(target if target.startswith("gdmlib.") else f"{module}.{target}", ours)
    if name is None:
        return contnode
    entry = objects[name]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, name)


class RepositoryRole(SphinxRole):
    """``{repo}`text <path>` `` links to a file or folder of the repository on its host."""

    inliner: Inliner

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the link."""
        match = re.fullmatch(r"(?P<text>.+?)\s*<(?P<path>[^>]*)>", self.text, re.DOTALL)
        text, path = (match["text"], match["path"]) if match else (self.text, self.text)
        options = self.config.html_theme_options
        url = repository_url(options["repository_url"], options["repository_branch"], path)
        return [nodes.reference(self.rawtext, text, refuri=url, internal=False)], []


def repository_url(repository: str, branch: str, path: str) -> str:
    """Return the address of a file, or of a folder when the path ends with a slash."""
    if not path:
        return repository
    kind = "tree" if path.endswith("/") else "blob"
    return f"{repository}/{kind}/{branch}/{path.rstrip('/')}"


def setup(app: Sphinx) -> None:
    """Register the transform, the resolver and the role."""
    app.add_transform(RewriteOutputLinks)
    app.connect("doctree-read", _remember_anchors)
    app.connect("missing-reference", _resolve)
    app.add_role("repo", RepositoryRole())
