//! No two source files use each other, directly or through others: there is no circle of imports.
//!
//! A file that uses an item uses the file that defines it, not one that re-exports it. A re-export uses the file that it
//! re-exports from. A declaration (`mod child;`) is not a use, and neither is the name of a module alone.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::Path,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::floors::{Segments, paths, sources};

/// The files of one crate, by their paths in the module tree.
#[derive(Default)]
struct Modules {
    sources: BTreeMap<Segments, String>,
    /// The imports of each file: the local name, and the path.
    imports: BTreeMap<Segments, BTreeMap<String, Segments>>,
}

/// The imports in a source: each path with its local name.
fn imports(tokens: TokenStream, found: &mut Vec<(String, Segments)>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            // Not the `use<'a>` of a type.
            TokenTree::Ident(name) if name == "use" && !matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '<') => {
                let tree = std::iter::from_fn(|| tokens.next_if(|token| !matches!(token, TokenTree::Punct(p) if p.as_char() == ';')));
                members(tree.collect(), &[], found);
            }
            TokenTree::Group(group) => imports(group.stream(), found),
            _ => {}
        }
    }
}

/// The members of a group in an import; `prefix` is the path before its braces.
fn members(tokens: Vec<TokenTree>, prefix: &[String], found: &mut Vec<(String, Segments)>) {
    for member in tokens.split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ',')) {
        let mut path = prefix.to_vec();
        let mut alias = None;
        let mut group = false;
        for token in member {
            match token {
                TokenTree::Ident(name) if name == "as" => alias = Some(String::new()),
                TokenTree::Ident(name) if alias.is_some() => alias = Some(name.to_string()),
                TokenTree::Ident(name) if name == "self" && !path.is_empty() => {}
                TokenTree::Ident(name) => path.push(name.to_string()),
                TokenTree::Group(inner) if inner.delimiter() == Delimiter::Brace => {
                    group = true;
                    members(inner.stream().into_iter().collect(), &path, found);
                }
                _ => {}
            }
        }
        if let Some(last) = path.last().filter(|_| !group) {
            found.push((alias.unwrap_or_else(|| last.clone()), path));
        }
    }
}

impl Modules {
    /// Reads the sources in a folder. `root` is the crate's root file; `others` are root files of other crates.
    fn read(folder: &Path, root: &str, others: &[&str]) -> Self {
        let mut files = Vec::new();
        sources(folder, &mut files);
        let mut modules = Self::default();
        for path in files {
            let place = path.strip_prefix(folder).unwrap();
            if others.iter().any(|other| place == Path::new(other)) {
                continue;
            }
            let file = place.with_extension("");
            let mut file: Segments = file.iter().map(|part| part.to_str().unwrap().into()).collect();
            if place == Path::new(root) || file.last().is_some_and(|name| name == "mod") {
                file.pop();
            }
            modules.add(file, fs::read_to_string(&path).unwrap());
        }
        modules
    }

    fn add(&mut self, file: Segments, source: String) {
        let mut found = Vec::new();
        imports(source.parse().unwrap(), &mut found);
        self.imports.insert(file.clone(), found.into_iter().collect());
        self.sources.insert(file, source);
    }

    /// A path in a file, from the crate's root; `None` if it leads out of the crate.
    fn absolute(&self, file: &[String], path: &[String]) -> Option<Segments> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([file, rest].concat()),
            "super" => {
                let supers = path.iter().take_while(|name| *name == "super").count();
                Some([&file[..file.len().checked_sub(supers)?], &path[supers..]].concat())
            }
            // A child of this file. Other crates, such as `std`, are not.
            _ => self.sources.contains_key(&[file, std::slice::from_ref(first)].concat()).then(|| [file, path].concat()),
        }
    }

    /// The file that defines the item of a path; `None` if that is outside the crate, or only a module.
    fn definer(&self, file: &[String], path: &[String]) -> Option<Segments> {
        let import = self.imports.get(file)?.get(path.first()?);
        // `use a;` imports a path that is equal to its name.
        let absolute = match import.filter(|import| path.len() > 1 && import.as_slice() != &path[..1]) {
            Some(import) => self.absolute(file, &[import, &path[1..]].concat())?,
            None => self.absolute(file, path)?,
        };
        let module = (0..=absolute.len()).rev().map(|length| &absolute[..length]).find(|place| self.sources.contains_key(*place))?;
        let item = absolute[module.len()..].first()?;
        match self.imports.get(module)?.get(item) {
            // An item that the module imports by a longer path is defined elsewhere.
            Some(import) if import.len() > 1 => self.definer(module, import),
            _ => Some(module.to_vec()),
        }
    }

    /// The files that each file uses, each with one path that does so.
    fn uses(&self) -> BTreeMap<&Segments, BTreeMap<Segments, String>> {
        let mut all = BTreeMap::new();
        for (file, source) in &self.sources {
            let mut used = BTreeMap::new();
            for path in paths(source) {
                if let Some(other) = self.definer(file, &path).filter(|other| other != file) {
                    used.entry(other).or_insert_with(|| path.join("::"));
                }
            }
            all.insert(file, used);
        }
        all
    }

    /// The circles: a shortest one through each file that is not in a circle found before.
    fn circles(&self) -> Vec<String> {
        let uses = self.uses();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for start in self.sources.keys().filter(|file| !uses[*file].is_empty()) {
            // The file from which each file was first reached.
            let mut from: BTreeMap<&Segments, &Segments> = BTreeMap::new();
            let mut next = VecDeque::from([start]);
            while let Some(file) = next.pop_front() {
                for other in uses[file].keys() {
                    if !from.contains_key(other) {
                        from.insert(other, file);
                        next.push_back(other);
                    }
                }
            }
            if !from.contains_key(start) || seen.contains(start) {
                continue;
            }
            let mut circle = vec![start];
            while circle.len() == 1 || circle.last() != Some(&start) {
                circle.push(from[circle[circle.len() - 1]]);
            }
            circle.reverse();
            seen.extend(circle.iter().copied());
            let steps = circle.windows(2).map(|pair| format!("{} uses {}", name(pair[0]), uses[pair[0]][pair[1]]));
            circles.push(steps.collect::<Vec<_>>().join(", "));
        }
        circles
    }
}

fn name(file: &[String]) -> String {
    if file.is_empty() { "the root".into() } else { file.join("::") }
}

fn check(folder: &str, root: &str, others: &[&str]) {
    let modules = Modules::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), root, others);
    let uses: usize = modules.uses().values().map(BTreeMap::len).sum();
    assert!(uses > 10, "only {uses} uses were found: the sources are not read");
    let circles = modules.circles();
    assert!(circles.is_empty(), "{folder}:\n{}", circles.join("\n"));
}

#[test]
fn no_source_files_use_each_other() {
    check("src", "lib.rs", &["main.rs"]);
}

#[test]
fn no_files_of_the_load_benchmark_use_each_other() {
    check("benches/load", "main.rs", &[]);
}

fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let mut modules = Modules::default();
    for (file, source) in files {
        modules.add(file.split('/').filter(|part| !part.is_empty()).map(String::from).collect(), (*source).into());
    }
    modules.circles()
}

#[test]
fn every_circle_is_found() {
    let circles: [&[(&str, &str)]; 11] = [
        // In each form of a path.
        &[("a", "use crate::b::B;"), ("b", "use crate::a::A;")],
        &[("m/a", "use super::b::B;"), ("m/b", "fn f() { super::a::g() }"), ("m", "")],
        &[("a", "use crate::{c::C, b};\nfn f() { b::g() }"), ("b", "use crate::a::{self as other, A};"), ("c", "")],
        &[("a", "use crate::b as c; fn f() { c::g() }"), ("b", "fn g(a: crate::a::A) {}")],
        // Through others.
        &[("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "use crate::a::A;")],
        // A parent and its child.
        &[("m", "mod a; pub use a::A;"), ("m/a", "use super::M;")],
        &[("m", "mod a; fn f() { a::g() }"), ("m/a", "use crate::m::M;")],
        &[("m", "mod a; pub(crate) use self::a::A; struct M;"), ("m/a", "use super::M;")],
        // A re-exported item belongs to the child.
        &[("m", "mod a; mod b; pub use a::A;"), ("m/a", "use super::b::B;"), ("m/b", "use super::A;")],
        &[("m", "mod a; use a::A as Renamed;"), ("m/a", "use crate::z::Z;"), ("z", "use crate::m::Renamed;")],
        &[("", "mod a; fn number() {} fn main() { a::run() }"), ("a", "use super::number;")],
    ];
    for files in circles {
        assert_eq!(circles_of(files).len(), 1, "{files:?}: {:?}", circles_of(files));
    }
    let [circle] = &circles_of(circles[1])[..] else { panic!() };
    assert_eq!(circle, "m::a uses super::b::B, m::b uses super::a::g");
}

#[test]
fn sources_without_a_circle_pass() {
    let none: [&[(&str, &str)]; 6] = [
        // Children of a parent that only declares them, or re-exports one that does not use it.
        &[("m", "pub mod a; pub mod b; pub trait M {}"), ("m/a", "use super::M;"), ("m/b", "use super::{M, a::A};")],
        &[("m", "mod a; mod b; pub use a::A;"), ("m/a", ""), ("m/b", "use super::A;")],
        &[("m", "mod a; mod b; pub use b::B; use a::A;"), ("m/a", ""), ("m/b", "use crate::m::A;")],
        // The name of a module alone does not use its items.
        &[("m", "mod a; mod b; pub use b::B;"), ("m/a", ""), ("m/b", "use super::a; fn f() { a::g() }")],
        // Comments, string literals, and equal names elsewhere.
        &[
            ("a", "use crate::b::B;"),
            ("b", "/// See [`crate::a`].\nconst A: &str = \"crate::a::A\"; use a::C; fn f() { let a = std::a::b; }"),
        ],
        &[("a", "use std::fmt; use crate::fmt::F;"), ("fmt", "use std::fmt::Display; impl Trait + use<'a> for X {}")],
    ];
    for files in none {
        assert_eq!(circles_of(files), [""; 0], "{files:?}");
    }
}
