//! Each line of the log from level info on has a stable code, which docs/logs.md lists.

use std::{collections::BTreeSet, fs, path::Path};

use proc_macro2::{TokenStream, TokenTree};

use super::floors::sources;

/// The code of each macro call that logs at level info or above; the first field, `event = "code"`.
fn events(tokens: TokenStream, place: &Path, found: &mut BTreeSet<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let before = |back: usize| at.checked_sub(back).map(|at| tokens[at].to_string()).unwrap_or_default();
        if before(1) == "!" && ["info", "warn", "error"].contains(&&*before(2)) {
            let first: Vec<_> = group.stream().into_iter().take(3).map(|token| token.to_string()).collect();
            assert!(first[..2] == ["event", "="], "{}: a line of the log begins with {first:?} and not with its event", place.display());
            found.insert(first[2].trim_matches('"').to_owned());
        }
        events(group.stream(), place, found);
    }
}

#[test]
fn every_log_line_has_an_event_that_the_documentation_lists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut files, mut used) = (Vec::new(), BTreeSet::new());
    sources(&root.join("src"), &mut files);
    for path in files {
        events(fs::read_to_string(&path).unwrap().parse().unwrap(), &path, &mut used);
    }
    let documents = fs::read_to_string(root.join("docs/logs.md")).unwrap();
    let table = documents.split_once("| event |").unwrap().1;
    let listed: Vec<_> = table.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect();
    let unique: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(unique.len(), listed.len(), "an event is listed twice");
    assert_eq!(used, unique, "docs/logs.md lists other events than the log has");
    assert!(used.iter().all(|event| event.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')), "{used:?}");
}
