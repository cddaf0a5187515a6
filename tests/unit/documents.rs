//! The documents: those in two languages say the same, their links lead somewhere, and their commands exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Documents in English with their Vietnamese twins.
const TWINS: [(&str, &str); 5] = [
    ("embedding.md", "nhung.md"),
    ("moving.md", "chuyen-doi.md"),
    ("configuration.md", "cau-hinh.md"),
    ("what-is-counted.md", "cach-dem.md"),
    ("report.md", "bao-cao.md"),
];

/// What code of the reader's own is called in the twins.
const TRANSLATED: [(&str, &str); 4] =
    [("DATABASE", "TEN_CSDL"), ("past.csv", "so-cu.csv"), ("articles.csv", "bai-viet.csv"), ("moved.csv", "doi-dia-chi.csv")];

/// A Markdown document.
struct Document {
    path: PathBuf,
    /// All lines outside of blocks of code.
    prose: String,
    /// Each block of code, after its language.
    blocks: Vec<String>,
}

impl Document {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let (mut prose, mut blocks, mut in_block) = (String::new(), Vec::<String>::new(), false);
        for line in text.lines() {
            match line.trim_start().strip_prefix("```") {
                Some(language) if !in_block => blocks.push(format!("{language}\n")),
                Some(_) => {}
                None if in_block => *blocks.last_mut().unwrap() += &format!("{line}\n"),
                None => prose += &format!("{line}\n"),
            }
            in_block ^= line.trim_start().starts_with("```");
        }
        assert!(!in_block, "{}: a block of code does not end", path.display());
        Self { path, prose, blocks }
    }

    fn of(name: &str) -> Self {
        Self::read(root().join("docs").join(name))
    }

    /// Each heading with its number signs.
    fn headings(&self) -> impl Iterator<Item = &str> {
        self.prose.lines().filter(|line| line.starts_with('#'))
    }

    /// The text outside and inside of inline code.
    fn spans(&self) -> (String, Vec<String>) {
        let text = self.prose.replace('\n', " ");
        let spans: Vec<_> = text.split('`').map(str::to_owned).collect();
        assert!(spans.len() % 2 == 1, "{}: inline code does not end", self.path.display());
        (spans.iter().step_by(2).cloned().collect(), spans.into_iter().skip(1).step_by(2).collect())
    }

    /// The links that are no addresses of the web.
    fn links(&self) -> Vec<String> {
        let text = self.spans().0;
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned());
        links.filter(|link| !link.contains("://")).collect()
    }

    /// What a link can name in the document, as GitHub makes it of the headings.
    fn anchors(&self) -> BTreeSet<String> {
        let of_heading = |heading: &str| {
            let text = heading.trim_start_matches('#').trim().to_lowercase();
            text.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        let explicit = self.prose.split("<a id=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        self.headings().map(of_heading).chain(explicit).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All documents that users and contributors read.
fn documents() -> Vec<Document> {
    let files = ["", "docs", "deploy", "benches"].map(|dir| fs::read_dir(root().join(dir)).unwrap());
    let paths = files.into_iter().flatten().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "md")).map(Document::read).collect()
}

/// Code of an English document as its twin has it.
fn translated(code: &str) -> String {
    TRANSLATED.iter().fold(code.to_owned(), |code, (english, vietnamese)| code.replace(english, vietnamese))
}

/// A block of code without what people write in their language: comments, and reasons.
fn bare(block: &str) -> String {
    let lines = block.lines().filter(|line| !line.starts_with("# ")).map(|line| line.split(" # ").next().unwrap().trim_end());
    let lines = lines.map(|line| match line.split_once("--reason \"") {
        Some((before, rest)) => format!("{before}--reason{}", rest.split_once('"').unwrap().1),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Links with the English name of each twin. The anchors of twins differ.
fn common_links(document: &Document) -> Vec<String> {
    let own = document.path.file_name().unwrap().to_str().unwrap();
    let mut links: Vec<_> = document
        .links()
        .iter()
        .map(|link| {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let pair = TWINS.iter().find(|(english, vietnamese)| [*english, *vietnamese].contains(&file));
            match pair {
                _ if file.is_empty() => "within".into(),
                Some((english, vietnamese)) if [*english, *vietnamese].contains(&own) => "the twin".into(),
                Some((english, _)) => (*english).into(),
                None => format!("{file}#{anchor}"),
            }
        })
        .collect();
    links.sort_unstable();
    links
}

#[test]
fn a_document_and_its_twin_in_vietnamese_have_the_same_headings_code_and_links() {
    for (english, vietnamese) in TWINS {
        let both = format!("{english} and {vietnamese}");
        let (english, vietnamese) = (Document::of(english), Document::of(vietnamese));
        let levels = |document: &Document| document.headings().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(levels(&english), levels(&vietnamese), "{both}: the levels of the headings");
        let blocks: Vec<_> = english.blocks.iter().map(|block| translated(&bare(block))).collect();
        assert_eq!(blocks, vietnamese.blocks.iter().map(|block| bare(block)).collect::<Vec<_>>(), "{both}: blocks of code");
        let code: BTreeSet<_> = english.spans().1.iter().map(|code| translated(code)).collect();
        let other: BTreeSet<_> = vietnamese.spans().1.into_iter().collect();
        assert_eq!(code.symmetric_difference(&other).collect::<Vec<_>>(), [""; 0], "{both}: code that only one of them has");
        assert_eq!(common_links(&english), common_links(&vietnamese), "{both}: links");
    }
}

#[test]
fn every_link_in_the_documents_leads_to_a_file_and_a_heading() {
    for document in documents() {
        for link in document.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if file.is_empty() { document.path.clone() } else { document.path.with_file_name(file) };
            assert!(path.exists(), "{}: {link} leads to no file", document.path.display());
            let found =
                anchor.is_empty() || path.extension().is_none_or(|end| end != "md") || Document::read(path).anchors().contains(anchor);
            assert!(found, "{}: {link} leads to no heading", document.path.display());
        }
    }
}

/// The commands in a text of code, each with its options.
fn commands(code: &str) -> Vec<(String, Vec<String>)> {
    let code = code.replace("\\\n", " ");
    let calls = code.split(['\n', '|', '&', ';', '(', ')', '>', '<', '#']).filter_map(|call| {
        let mut words = call.split_whitespace().skip_while(|word| ["$", "sudo"].contains(word) || word.contains('='));
        words.next().filter(|word| *word == "truycap" || word.ends_with("/truycap"))?;
        let command = words.next().filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))?;
        let options = words.filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap().to_owned());
        Some((command.to_owned(), options.collect()))
    });
    calls.collect()
}

#[test]
fn every_command_in_the_documents_is_one_that_the_page_of_commands_describes() {
    let page = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let sections: Vec<_> = page.split("\n## ").collect();
    let mut checked = 0;
    for document in documents() {
        // Proxies and Redis have things called truycap too.
        let blocks = document.blocks.iter().filter(|block| ["sh\n", "console\n"].iter().any(|language| block.starts_with(language)));
        for (command, options) in blocks.cloned().chain(document.spans().1).flat_map(|code| commands(&code)) {
            let section = sections.iter().find(|section| {
                section.starts_with(&format!("truycap {command}\n")) || section.contains(&format!("\n| `truycap {command} "))
            });
            let path = document.path.display();
            let section = section.unwrap_or_else(|| panic!("{path}: docs/cli.md has no command {command}"));
            for option in options.iter().filter(|option| *option != "--config") {
                assert!(section.contains(&**option), "{path}: docs/cli.md has no {option} of truycap {command}");
            }
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} commands were found");
}
