//! A module imports from those below it only: in the order of its crate's front page, and without a circle among the
//! modules of any other.
//!
//! What is looked at are the paths that begin with `crate`, `super`, `self` or a module, as `rustfmt` lays them out, in code and
//! not in comments or tests; a name that another module passes on counts for that one, and for where it is from. A module
//! and those within it count as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::markdown::root;

/// Crates of more than a few files.
const CRATES: [&str; 7] =
    ["firmware/net", "firmware", "firmware/port", "firmware/embassy", "host", ".", "fuzz"];

/// A module's path from the crate's root, which has an empty one.
type Module = Vec<String>;

/// A path of the code, with the name that it gets where it stands in a `use`.
struct Named {
    path: Vec<String>,
    name: Option<String>,
    line: usize,
}

/// A crate's modules, and what each says of others.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<Module, Vec<(PathBuf, Named)>>,
}

/// The length of the text in quotation marks that begins here, if one does; after a word no raw one does.
fn quoted(text: &str, after_word: bool) -> Option<usize> {
    if let Some(raw) = text.strip_prefix('r').filter(|_| !after_word) {
        let hashes = &raw[..raw.find(|c| c != '#')?];
        let inner = raw[hashes.len()..].strip_prefix('"')?;
        let end = format!("\"{hashes}");
        return inner.find(&end).map(|at| text.len() - inner.len() + at + end.len());
    }
    let mark = text
        .chars()
        .next()
        .filter(|&mark| mark == '"' || text.starts_with("'\\") || text.starts_with("'\"'"))?;
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == mark && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map(|(at, _)| at + 1)
}

/// The text with blanks in place of comments and of what is in quotation marks.
fn bare(text: &str) -> String {
    let mut bare = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = bare.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let len = if rest.starts_with("//") {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else {
            quoted(rest, after_word)
        };
        let (some, behind) = rest.split_at(len.unwrap_or(first.len_utf8()));
        let blank = |c: char| if len.is_some() && c != '\n' { ' ' } else { c };
        bare.extend(some.chars().map(blank));
        rest = behind;
    }
    bare
}

/// The lines without comments, texts, and what is compiled for tests.
fn code(text: &str) -> Vec<String> {
    const TESTS: [&str; 2] = ["#[cfg(test)]", "#[cfg(all(test,"];
    let mut lines: Vec<String> = Vec::new();
    // The indentation of the item that is left out, and whether its attributes are over.
    let mut left_out: Option<(String, bool)> = None;
    for line in bare(text).lines() {
        let line = line.trim_end();
        let start = line.trim_start();
        let indent = &line[..line.len() - start.len()];
        let kept = left_out.is_none() && !TESTS.iter().any(|test| start.starts_with(test));
        match &mut left_out {
            None if kept => {}
            None => left_out = Some((indent.to_owned(), false)),
            Some((other, begun)) if other == indent && !start.is_empty() => {
                *begun |= !start.starts_with("#[");
                if *begun && start.ends_with([';', '}', ',']) {
                    left_out = None;
                }
            }
            Some(_) => {}
        }
        lines.push(if kept { line.to_owned() } else { String::new() });
    }
    lines
}

/// The words and signs of a text, each with its line.
fn tokens(lines: &[String]) -> Vec<(String, usize)> {
    let mut tokens: Vec<(String, usize)> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let mut rest = line.as_str();
        while let Some(first) = rest.chars().next() {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let len = if word(first) {
                rest.find(|c| !word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                tokens.push((rest[..len].to_owned(), number + 1));
            }
            rest = &rest[len..];
        }
    }
    tokens
}

/// Reads a path from `at` on, or all those of a tree in braces, behind `before`. Returns where it ends.
fn tree(
    tokens: &[(String, usize)],
    mut at: usize,
    before: &[String],
    used: bool,
    found: &mut Vec<Named>,
) -> usize {
    let mut path = before.to_vec();
    let word = |at: usize| tokens.get(at).map_or("", |(word, _)| word.as_str());
    loop {
        if word(at) == "{" {
            at += 1;
            while !matches!(word(at), "}" | "") {
                at = tree(tokens, at, &path, used, found);
                at += usize::from(word(at) == ",");
            }
            return at + 1;
        }
        if word(at) != "self" || path.is_empty() {
            path.push(word(at).to_owned());
        }
        at += 1;
        if word(at) != "::" || word(at + 1) == "<" {
            break;
        }
        at += 1;
    }
    let mut name = path.last().cloned();
    if used && word(at) == "as" {
        name = Some(word(at + 1).to_owned());
        at += 2;
    }
    let line = tokens[at.min(tokens.len()) - 1].1;
    found.push(Named { path, name: name.filter(|_| used), line });
    at
}

/// The paths in a file.
fn paths(lines: &[String]) -> Vec<Named> {
    let tokens = tokens(lines);
    let word = |at: usize| tokens.get(at).map_or("", |(word, _)| word.as_str());
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let begins = word(at).starts_with(|c: char| c.is_ascii_lowercase()) && word(at + 1) == "::";
        at = match word(at) {
            "use" => tree(&tokens, at + 1, &[], true, &mut found),
            _ if begins && (at == 0 || word(at - 1) != "::") => {
                tree(&tokens, at, &[], false, &mut found)
            }
            _ => at + 1,
        };
    }
    found
}

impl Crate {
    fn read(directory: &Path) -> Self {
        let mut this = Self::default();
        this.module(Vec::new(), &directory.join("src/lib.rs"), &directory.join("src"));
        this
    }

    /// Reads a module's file, and those of the modules within, which are in `directory`.
    fn module(&mut self, module: Module, file: &Path, directory: &Path) {
        let text = fs::read_to_string(file);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let lines = code(&text);
        let mut others = Vec::new();
        for (line, whole) in lines.iter().zip(text.lines()) {
            let line = line.trim_start();
            if let Some((_, path)) = whole.split_once("path = \"").filter(|_| !line.is_empty()) {
                others.push(path.split('"').next().unwrap_or_default().to_owned());
            }
            let bare = ["pub ", "pub(crate) ", "pub(super) "]
                .iter()
                .find_map(|word| line.strip_prefix(word))
                .unwrap_or(line);
            let declared = bare.strip_prefix("mod ").and_then(|name| name.strip_suffix(';'));
            if let Some(name) = declared {
                let beside = file.parent().expect("a directory");
                let own = [format!("{name}.rs"), format!("{name}/mod.rs")];
                let own = own.iter().map(|own| directory.join(own));
                let others = others.drain(..).map(|other| beside.join(other));
                let files: Vec<_> = own.chain(others).filter(|file| file.is_file()).collect();
                assert!(!files.is_empty(), "{}: where is {name}?", file.display());
                let module = [&module[..], &[name.to_owned()]].concat();
                for file in files {
                    self.module(module.clone(), &file, &directory.join(name));
                }
            } else if !line.is_empty() && !line.starts_with("#[") && !others.is_empty() {
                others.clear();
            }
        }
        let paths = paths(&lines).into_iter().map(|path| (file.to_owned(), path));
        self.modules.entry(module).or_default().extend(paths);
    }

    /// The modules that a path leads through, as `from` has it.
    fn through(&self, from: &[String], path: &[String], depth: usize) -> Vec<Module> {
        let mut module = from.to_vec();
        let mut rest = path;
        let child =
            |module: &[String], name: &String| [module, std::slice::from_ref(name)].concat();
        let named = |module: &Module, name: &String| {
            let all = self.modules[module].iter();
            all.filter(|(_, named)| named.name.as_ref() == Some(name))
                .map(|(_, named)| named.path.clone())
                .next()
        };
        match path[0].as_str() {
            "crate" => (module, rest) = (Vec::new(), &path[1..]),
            "super" | "self" => {
                while let [word @ ("super" | "self"), behind @ ..] =
                    &rest.iter().map(String::as_str).collect::<Vec<_>>()[..]
                {
                    if *word == "super" {
                        module.pop();
                    }
                    rest = &rest[rest.len() - behind.len()..];
                }
            }
            _ if self.modules.contains_key(&child(from, &path[0])) => {}
            // Another crate's, or a name that a `use` has brought, which counts there.
            _ => return Vec::new(),
        }
        let mut passed = vec![module.clone()];
        while let [name, behind @ ..] = rest {
            let next = child(&module, name);
            if self.modules.contains_key(&next) {
                (module, rest) = (next, behind);
                passed.push(module.clone());
                continue;
            }
            if let Some(path) = named(&module, name).filter(|_| depth < 8) {
                let path = [&path[..], behind].concat();
                passed.extend(self.through(&module, &path, depth + 1));
            }
            break;
        }
        passed
    }

    /// Who imports from whom among the modules of one, by that one: with a place where it does.
    fn imports(&self) -> BTreeMap<Module, BTreeMap<(String, String), String>> {
        let mut imports: BTreeMap<Module, BTreeMap<_, _>> = BTreeMap::new();
        for (from, paths) in &self.modules {
            for (file, named) in paths {
                for to in self.through(from, &named.path, 0) {
                    let same = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
                    if let (Some(one), Some(other)) = (from.get(same), to.get(same)) {
                        let file = file.strip_prefix(root()).unwrap_or(file).display();
                        let place = format!("{file}:{}: {}", named.line, named.path.join("::"));
                        let pair = (one.clone(), other.clone());
                        imports.entry(from[..same].to_vec()).or_default().insert(pair, place);
                    }
                }
            }
        }
        imports
    }
}

/// The imports of those modules that are in a circle.
fn circles(imports: &BTreeMap<(String, String), String>) -> Vec<&String> {
    let mut left: Vec<_> = imports.iter().collect();
    loop {
        let before = left.len();
        // Who imports from nobody that is left, and from whom nobody does, is in none.
        let from: BTreeSet<_> = left.iter().map(|((from, _), _)| from.clone()).collect();
        left.retain(|((_, to), _)| from.contains(to));
        let to: BTreeSet<_> = left.iter().map(|((_, to), _)| to.clone()).collect();
        left.retain(|((from, _), _)| to.contains(from));
        if left.len() == before {
            return left.into_iter().map(|(_, place)| place).collect();
        }
    }
}

/// A crate's modules from top to bottom, as its front page has them: those of the sentence, or in the first column of the
/// table behind it.
fn order(directory: &Path) -> Vec<String> {
    const ORDER: &str = "a module imports from those below it only:";
    let text = fs::read_to_string(directory.join("src/lib.rs")).expect("a front page");
    let page: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let begin = page.iter().position(|line| line.to_lowercase().contains(ORDER));
    let begin = begin.unwrap_or_else(|| panic!("{} has no order", directory.display()));
    let table = page[begin].ends_with(ORDER);
    let listed = page[begin..].iter().skip(if table { 4 } else { 0 });
    let cells = listed.take_while(|line| !line.is_empty()).map(|line| {
        let row = line.strip_prefix(" |").filter(|_| table);
        row.map_or(*line, |row| row.split('|').next().unwrap_or_default())
    });
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(|name| name.trim_start_matches("mod@").to_owned()).collect()
}

#[test]
fn a_module_imports_from_those_below_it_only() {
    let mut wrong = Vec::new();
    for directory in CRATES.map(|directory| root().join(directory)) {
        let all = Crate::read(&directory);
        let shown = directory.display();
        let order = order(&directory);
        let modules = all.modules.keys().filter(|module| module.len() == 1);
        let modules: BTreeSet<_> = modules.map(|module| module[0].clone()).collect();
        let listed: BTreeSet<_> = order.iter().cloned().collect();
        assert_eq!(listed, modules, "the front page of {shown} has other modules");
        let place = |name: &String| order.iter().position(|other| other == name);
        for (parent, imports) in all.imports() {
            for place in circles(&imports) {
                wrong.push(format!("in a circle: {place}"));
            }
            if parent.is_empty() {
                let upward = imports.iter().filter(|((from, to), _)| place(to) < place(from));
                wrong.extend(upward.map(|(_, place)| format!("from above: {place}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
