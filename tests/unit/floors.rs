//! Every module has a floor and imports only from lower floors. The domain, at the bottom, is pure.
//!
//! The sources are read as tokens. So uses are found in every form (groups, several lines, inline paths, macros), and
//! comments and string literals are not mistaken for uses.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Every module of the library. Modules on one floor do not import each other. At the top, `cli` uses `app`, never the
/// other way round.
const FLOORS: [(&str, u8); 14] = [
    ("domain", 0),
    ("file_access", 0),
    ("telemetry", 1),
    ("journal", 1),
    ("store", 1),
    ("recorder", 2),
    ("audience", 2),
    ("transfer", 3),
    ("report", 3),
    ("titles", 3),
    ("http", 4),
    ("config", 5),
    ("app", 6),
    ("cli", 7),
];

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

pub(super) type Segments = Vec<String>;

/// The paths in a source, each in full: `use a::{b, c::d}` has `a::b` and `a::c::d`.
pub(super) fn paths(source: &str) -> Vec<Segments> {
    let mut found = Vec::new();
    collect(source.parse().unwrap(), &[], &mut found);
    found
}

/// `prefix` is the path before the braces of a group, which is also the beginning of each member.
fn collect(tokens: TokenStream, prefix: &[String], found: &mut Vec<Segments>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut path = prefix.to_vec();
    // Whether the next name continues `path`: after `::`, or first in a member of a group.
    let mut open = true;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(name) => {
                if !open {
                    found.push(std::mem::take(&mut path));
                }
                path.push(name.to_string());
                open = false;
            }
            TokenTree::Punct(colon)
                if colon.as_char() == ':' && matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == ':') =>
            {
                tokens.next();
                open = true;
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && open => {
                collect(group.stream(), &std::mem::take(&mut path), found)
            }
            other => {
                let mark = if let TokenTree::Punct(mark) = &other { mark.as_char() } else { ' ' };
                if mark == '*' && !path.is_empty() && open {
                    path.push("*".into());
                }
                if path.len() > prefix.len() {
                    found.push(path);
                }
                path = if mark == ',' { prefix.to_vec() } else { Vec::new() };
                open = true;
                if let TokenTree::Group(group) = other {
                    collect(group.stream(), &[], found);
                }
            }
        }
    }
    if !open {
        found.push(path);
    }
}

/// The path from the crate's root, if it begins with `crate` or with enough `super`s.
fn from_root<'a>(path: &'a [String], file: &[String]) -> Option<&'a [String]> {
    let supers = path.iter().take_while(|name| *name == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(&path[1..]),
        "super" if supers >= file.len() => Some(&path[supers..]),
        _ => None,
    }
}

/// The violations in a source; `file` is its path in the module tree, such as `[store, sqlite]`.
fn violations(file: &[String], source: &str) -> Vec<String> {
    let module = &file[0];
    let Some(own) = floor(module) else { return vec![format!("module {module} has no floor")] };
    let mut violations = Vec::new();
    for path in paths(source) {
        let text = path.join("::");
        if let Some(target) = from_root(&path, file) {
            match target.first().map(|target| (target, floor(target))) {
                Some((target, _)) if target == module => {}
                Some((_, Some(floor))) if floor < own => {}
                Some((target, Some(floor))) => violations.push(format!("{module} on floor {own} uses {target} on floor {floor}: {text}")),
                Some((_, None)) => violations.push(format!("{module} uses an item without a floor: {text}")),
                // `crate` alone, as in `pub(crate)`.
                None => {}
            }
        }
        if module == "domain" && is_impure(&path) {
            violations.push(format!("domain is pure: {text}"));
        }
    }
    violations
}

fn is_impure(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let now = path.windows(2).any(|pair| matches!(pair, ["Utc" | "Local" | "SystemTime" | "Instant", "now"]));
    let outside = match path[..] {
        ["tokio" | "hyper" | "hyper_util" | "rusqlite" | "redis", ..] | ["std", "*"] => true,
        ["std", "fs" | "io" | "env" | "process" | "thread", ..] | ["std", "time", "SystemTime" | "Instant", ..] => true,
        ["std", "time"] | ["std", "net"] => true,
        ["std", "net", address, ..] => !address.starts_with("Ip"),
        _ => false,
    };
    now || outside
}

pub(super) fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_module_uses_only_lower_floors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut seen = 0;
    let mut all = Vec::new();
    for path in files {
        let place = path.strip_prefix(&root).unwrap().with_extension("");
        let mut file: Segments = place.iter().map(|part| part.to_str().unwrap().into()).collect();
        if file.last().is_some_and(|name| name == "mod") {
            file.pop();
        }
        // These two are above all floors.
        if file == ["lib"] || file == ["main"] {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        seen += paths(&source).iter().filter(|path| path[0] == "crate").count();
        all.extend(violations(&file, &source).into_iter().map(|violation| format!("{}: {violation}", path.display())));
    }
    assert!(seen > 10, "only {seen} uses were found: the sources are not read");
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

fn violations_of(file: &str, source: &str) -> Vec<String> {
    violations(&file.split('/').map(String::from).collect::<Segments>(), source)
}

#[test]
fn every_form_of_forbidden_use_is_found() {
    let forbidden = [
        "use crate::http::serve;",
        "use crate::http;",
        "use crate::{domain::site::{Site, SiteId}, http::serve};",
        "use crate::{\n    domain::site,\n    store::{self, Store},\n    http as web,\n};",
        "use {std::fmt, crate::http};",
        "pub(crate) use crate :: http :: *;",
        "fn f(x: &crate::http::Request) {}",
        "fn f() { if a { g::<crate::http::Request>() } }",
        "fn f() { info!(\"{}\", x = crate::http::NAME); }",
        "fn f() { crate::http::serve::<u8>() }",
        "use super::http;",
        "fn f() { super::http::serve() }",
        "use crate::*;",
        "use crate::{self};",
        "use crate::nowhere::x;",
    ];
    for source in forbidden {
        assert_eq!(violations_of("recorder", source).len(), 1, "{source}: {:?}", violations_of("recorder", source));
    }
    assert_eq!(violations_of("store/redis/keys", "use super::super::super::journal::Entry;").len(), 1);
    assert_eq!(violations_of("store", "use crate::journal;").len(), 1, "the same floor");
    assert_eq!(violations_of("nowhere", ""), ["module nowhere has no floor"]);
}

#[test]
fn allowed_uses_and_mere_mentions_pass() {
    let allowed = [
        "use crate::{domain::{site::Site, article::ArticleId}, journal::Journal, store::Store};",
        "use crate::{domain::site, store::Store,}; pub(crate) use crate::recorder::state; use super::state; use self::http; mod http { }",
        "// use crate::http;\n/* crate::http */ const A: &str = \"crate::http\"; /// See [`crate::http`].\nstruct S;",
        "pub(crate) fn http() { let http = a::http::b; }",
    ];
    for source in allowed {
        assert_eq!(violations_of("recorder/flush", source), [""; 0], "{source}");
    }
}

#[test]
fn impure_uses_in_the_domain_are_found() {
    let impure = [
        "use tokio::sync::mpsc;",
        "use std::{fmt, fs};",
        "use std::{fmt, net::{IpAddr, TcpStream}};",
        "use std::net::*;",
        "use std::*;",
        "use std::net::{self};",
        "fn f() { std::fs::read(path) }",
        "use std::time::{Duration, SystemTime};",
        "fn f() { let now = Utc::now(); }",
        "fn f() { let now = chrono::Local::now(); }",
        "use rusqlite::Connection;",
    ];
    for source in impure {
        assert_eq!(violations_of("domain/site", source).len(), 1, "{source}: {:?}", violations_of("domain/site", source));
        assert_eq!(violations_of("store/sqlite", source), [""; 0], "{source}");
    }
    assert_eq!(
        violations_of("domain/site", "use std::{fmt, net::{IpAddr, Ipv6Addr,}, time::Duration,}; use chrono::{DateTime, Utc};"),
        [""; 0]
    );
}
