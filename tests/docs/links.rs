//! Every link leads somewhere: to a file of the tree, a heading of it, or an address that could be one.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::markdown::{Page, pages, root};

/// The pages whose links are followed: those with commands, and the boards'.
fn all() -> Vec<Page> {
    let boards = fs::read_dir(root().join("firmware/boards")).expect("the boards");
    let boards = boards.filter_map(|entry| {
        let path = entry.expect("it can be listed").path().join("README.md");
        path.is_file().then(|| path.strip_prefix(root()).expect("in the tree").to_owned())
    });
    let boards = boards.map(|path| path.to_str().expect("ASCII").to_owned());
    let others = ["CHANGELOG.md".to_owned()];
    let paths = pages().into_iter().chain(others).chain(boards);
    paths.map(|path| Page::read(&path)).collect()
}

/// `path` without `..`; `None` if it leads out of the tree.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if !out.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            other => out.push(other),
        }
    }
    Some(out)
}

/// What is wrong with a link of `page`, if anything.
fn fault(page: &Page, link: &str) -> Option<String> {
    if let Some((scheme, rest)) = link.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        let sound = scheme == "https"
            && host.contains('.')
            && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
            && !rest.contains(char::is_whitespace);
        return (!sound).then(|| "is no https address".to_owned());
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, to)| (path, Some(to)));
    let folder = page.path.parent().unwrap_or(Path::new(""));
    let target = if path.is_empty() { page.path.clone() } else { folder.join(path) };
    let Some(target) = normal(&target) else {
        return Some("leads out of the tree".to_owned());
    };
    if !root().join(&target).exists() {
        return Some(format!("leads to {}, which is not there", target.display()));
    }
    let anchor = anchor?;
    let target = target.to_str().expect("ASCII");
    let page = Page::read(target);
    (!page.anchors().iter().any(|other| other == anchor))
        .then(|| format!("leads to no heading; {target} has {}", page.anchors().join(", ")))
}

#[test]
fn every_link_leads_somewhere() {
    let mut faults = Vec::new();
    let mut count = 0;
    for page in all() {
        for (line, link) in page.links() {
            count += 1;
            faults.extend(
                fault(&page, &link).map(|fault| format!("{}: {link} {fault}", page.at(line))),
            );
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 50, "{count} links: they are not found");
}

/// Every page is found by somebody who starts at the README.
#[test]
fn the_readme_leads_to_every_page() {
    let readme = Page::read("README.md");
    let linked: Vec<String> = readme.links().into_iter().map(|(_, link)| link).collect();
    for page in pages().into_iter().filter(|page| page != "README.md") {
        let linked = linked.iter().any(|link| link.split('#').next() == Some(&page));
        assert!(linked, "README.md has no link to {page}");
    }
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = Page::read("README.md");
    for (link, expected) in [
        ("docs/none.md", "which is not there"),
        ("../../etc/passwd", "leads out of the tree"),
        ("#no-such-heading", "leads to no heading"),
        ("http://example.org", "is no https address"),
        ("https://no host/", "is no https address"),
    ] {
        let found = fault(&page, link);
        assert!(found.as_ref().is_some_and(|found| found.contains(expected)), "{link}: {found:?}");
    }
    assert_eq!(fault(&page, "Cargo.toml"), None);
}
