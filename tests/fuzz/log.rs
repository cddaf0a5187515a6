//! Access logs.

use std::{collections::HashMap, fs::File, panic::AssertUnwindSafe, path::Path};

use bolero::check;
use tempfile::TempDir;
use truycap::{
    audience::{BotRules, Bots},
    domain::{
        correction::{CorrectionKind, Note},
        retention::Retention,
        site::{Origin, Rules, Site, SiteId},
    },
    store::memory::MemoryStore,
    transfer::logs::{Format, Log, LogSummary, Parser, Target, ViewRules, import_log},
};

use crate::{clock::now, panics};

fn portal() -> Site {
    Site {
        id: SiteId::parse("portal").unwrap(),
        origins: vec![Origin::parse("https://portal.example.vn").unwrap()],
        timezone: chrono_tz::Asia::Ho_Chi_Minh,
        aliases: Vec::new(),
        sections: Vec::new(),
        rules: Rules::default(),
    }
}

async fn import(target: &mut Target<'_>, path: &Path, rules: &ViewRules<'_>) -> Option<LogSummary> {
    let note = Note { at: now(), kind: CorrectionKind::Import, what: String::new(), reason: String::new(), undoes: None };
    let log = Log::open(File::open(path).unwrap(), None).ok()?;
    import_log(target, log, rules, note, |_| {}).await.ok()
}

#[test]
fn a_log_is_read_by_every_parser_and_counted_once() {
    let (dir, runtime, portal) = (TempDir::new().unwrap(), panics::runtime(), portal());
    let path = dir.path().join("a.log");
    let bots = Bots::new(&BotRules::default()).unwrap();
    let not_pages = vec!["^/api/".parse().unwrap()];
    let rules = AssertUnwindSafe(ViewRules { site: &portal, bots: &bots, not_pages, until: None, now: now() });
    check!(name = "log").with_iterations(1000).for_each(|bytes: &[u8]| {
        let rules = &rules;
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        for format in Format::ALL {
            let mut parser = Parser::new(format, &lines);
            lines.iter().for_each(|line| drop(parser.parse(line)));
        }
        std::fs::write(&path, bytes).unwrap();
        panics::block_on(&runtime, async {
            let store = MemoryStore::new(Retention::default(), now);
            let planned = import(&mut Target::DryRun(None, HashMap::new()), &path, rules).await;
            let added = import(&mut Target::Store(&store), &path, rules).await;
            assert_eq!(planned.as_ref().map(|planned| &planned.counts), added.as_ref().map(|added| &added.counts));
            if let Some(added) = added {
                let _ = (added.to_string(), added.json("a.log"));
                let again = import(&mut Target::Store(&store), &path, rules).await.unwrap();
                assert!(again.counts.views() == 0 && added.counts.views() <= added.counts.lines);
            }
        });
    });
}
