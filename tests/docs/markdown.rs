//! What these tests take from a Markdown file: its fenced blocks, its headings, its links.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A page.
pub(crate) struct Page {
    /// Its path from the root.
    pub(crate) path: PathBuf,
    pub(crate) blocks: Vec<Block>,
    /// The lines outside of blocks, each with its number.
    pub(crate) prose: Vec<(usize, String)>,
}

/// A fenced block.
pub(crate) struct Block {
    /// The number of its first line.
    pub(crate) line: usize,
    /// The words after its fence: the language, then what this test is to know.
    pub(crate) info: Vec<String>,
    pub(crate) text: Vec<String>,
}

/// A command of a block, and what the page shows that it prints.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) shown: Vec<String>,
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let path = PathBuf::from(path);
        let text = fs::read_to_string(root().join(&path));
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (mut blocks, mut prose): (Vec<Block>, _) = (Vec::new(), Vec::new());
        let mut open = false;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            if let Some(info) = line.trim_start().strip_prefix("```") {
                open = !open;
                if open {
                    let info = info.split_whitespace().map(str::to_owned).collect();
                    blocks.push(Block { line: number + 1, info, text: Vec::new() });
                }
            } else if open {
                blocks.last_mut().expect("it is open").text.push(line.to_owned());
            } else {
                prose.push((number, line.to_owned()));
            }
        }
        assert!(!open, "{}: the last block has no end", path.display());
        Self { path, blocks, prose }
    }

    /// Where a line is, for messages.
    pub(crate) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    /// The names that a link can end in: GitHub's, of all headings.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let headings = self.prose.iter().filter(|(_, line)| line.starts_with('#'));
        headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// Targets of links and pictures, with their lines.
    pub(crate) fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (number, line) in &self.prose {
            let line = without_code(line);
            let ends = line.match_indices("](").map(|(at, _)| at + 2);
            let closed = ends.filter_map(|start| {
                let end = line[start..].find(')')?;
                Some((*number, line[start..start + end].to_owned()))
            });
            links.extend(closed);
        }
        links
    }
}

/// GitHub's name for a heading: lower case, words joined by hyphens, punctuation gone.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// A line without what stands in backquotes.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

impl Block {
    pub(crate) fn is(&self, word: &str) -> bool {
        self.info.iter().any(|other| other == word)
    }

    /// Its commands: each begins with `$ `, goes on after a `\` at its end, and is followed by what it prints.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        let mut goes_on = false;
        for (index, line) in self.text.iter().enumerate() {
            let start = line.strip_prefix("$ ");
            match (start, commands.last_mut()) {
                (_, Some(command)) if goes_on => {
                    command.text.push('\n');
                    command.text.push_str(line);
                }
                (Some(text), _) => commands.push(Command {
                    line: self.line + index,
                    text: text.to_owned(),
                    shown: Vec::new(),
                }),
                (None, Some(command)) => command.shown.push(line.trim_end().to_owned()),
                (None, None) => panic!("line {}: output without a command", self.line + index),
            }
            goes_on = line.ends_with('\\') && (start.is_some() || goes_on);
        }
        commands
    }
}

/// The pages whose commands are run.
pub(crate) fn pages() -> Vec<String> {
    let docs = fs::read_dir(root().join("docs")).expect("docs/ is there");
    let mut pages: Vec<String> = docs
        .map(|entry| entry.expect("it can be listed").file_name().into_string().expect("ASCII"))
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    pages.extend(["README.md".to_owned(), "CONTRIBUTING.md".to_owned()]);
    pages.sort();
    pages
}
