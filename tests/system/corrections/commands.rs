//! What the commands print, and their exit codes.

use super::{
    PAST, files, import,
    process::{Place, eventually},
};

fn place() -> Place {
    let place = files::place();
    import(&place, 3);
    place
}

/// The code and the standard error of a command that fails.
fn fails(place: &Place, arguments: &[&str]) -> (i32, String) {
    let finished = place.run(arguments);
    assert_eq!(finished.out, "", "{arguments:?}");
    (finished.code.unwrap(), finished.err)
}

/// The number of the latest correction of a site.
fn latest(place: &Place, site: &str) -> u64 {
    let list: serde_json::Value = serde_json::from_str(&place.ok(&["audit", site, "--json"])).unwrap();
    list.as_array().unwrap().last().map_or(0, |entry| entry["number"].as_u64().unwrap())
}

#[test]
fn corrections_beside_a_running_service_are_shown_and_say_how_to_take_them_back() {
    let place = place();
    let first = latest(&place, "portal");
    let service = place.start();
    let shows = |site: &str, article: &str, total: u64| {
        eventually("the correction is shown", || {
            let nine = if article.is_empty() { service.site(site) } else { service.article(site, article) };
            (nine[0] == total).then_some(())
        });
    };
    shows("portal", "", PAST);
    let dry = place.ok(&["adjust", "portal", "-400", "--period", "2024", "--dry-run"]);
    let lines = "  site portal: 2024: 1000000 → 999600\n  site portal: total: 1000000 → 999600\n";
    assert_eq!(dry, format!("adjust: nothing was changed; it would change\n{lines}"));
    let visits = place.ok(&["adjust", "portal", "7", "--period", "2024", "--of", "visits", "--dry-run"]);
    let lines_of_visits = "  site portal, visits: 2024: 0 → 7\n  site portal, visits: total: 0 → 7\n";
    assert_eq!(visits, format!("adjust: nothing was changed; it would change\n{lines_of_visits}"));
    let done = place.ok(&["adjust", "portal", "-400", "--period", "2024", "--reason", "một con bot"]);
    let number = first + 1;
    assert_eq!(done, format!("adjust: correction {number} of site portal\n{lines}take it back with: truycap undo portal {number}\n"));
    shows("portal", "", PAST - 400);
    let done = place.ok(&["rename", "portal", "/bai-viet/0", "/tin mới", "--json"]);
    let done: serde_json::Value = serde_json::from_str(&done).unwrap();
    assert_eq!((&done["number"], &done["undo"]), (&(first + 2).into(), &format!("truycap undo portal {}", first + 2).into()));
    shows("portal", "/bai-viet/0", 0);
    shows("portal", "/bai-viet/1", 2);
    let table = place.ok(&["audit", "portal"]);
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    for text in ["adjust", "portal -400 --period 2024", "reason: một con bot", "portal /bai-viet/0 '/tin mới'"] {
        assert!(table.contains(text), "{text}: {table}");
    }
    let undone = place.ok(&["undo", "portal", &number.to_string()]);
    assert_eq!(undone, format!("undo: correction {} of site portal\n  site portal: total: 999600 → 1000000\n", first + 3));
    shows("portal", "", PAST);
    assert!(place.ok(&["audit", "portal"]).contains(&format!("undone by {}", first + 3)));
    let deleted = place.ok(&["delete", "khoa", "--article", "/bai-viet/2"]);
    assert!(deleted.contains("  khoa /bai-viet/2: total: 2 → 0\n"), "{deleted}");
    shows("khoa", "/bai-viet/2", 0);
    let deleted = place.ok(&["delete", "khoa"]);
    assert!(deleted.contains("  site khoa: total: 1000000 → 0\n  articles: -4 views\n"), "{deleted}");
    shows("khoa", "", 0);
    service.stop();
}

#[test]
fn many_articles_are_renamed_by_a_file_or_standard_input() {
    let place = place();
    let file = place.write("moved.csv", "old,new\n/bai-viet/0,/a\n/bai-viet/1,/a\n/gone,/b\n");
    let done = place.ok(&["rename", "portal", "--file", &file]);
    assert!(done.contains("  3 views of 2 articles; 1 others had no views\n"), "{done}");
    assert!(place.ok(&["figures", "portal", "--article", "/a"]).contains("total       3\n"));
    let file = place.write("wrong.csv", "old,new\n/a\n");
    let (code, error) = fails(&place, &["rename", "portal", "--file", &file]);
    assert_eq!((code, error), (1, format!("truycap: {file}: line 2: found 1 fields; expected two, old,new; nothing was changed\n")));
}

#[test]
fn mistakes_are_said_and_change_nothing() {
    let place = place();
    let before = place.ok(&["export"]);
    let cases: [(&[&str], i32, &str); 15] = [
        (&["adjust", "portal", "x", "--period", "2024"], 2, "invalid value 'x'"),
        (&["adjust", "portal", "1", "--period", "24"], 2, "invalid value '24'"),
        (&["adjust", "portal", "1", "--period", "2024", "--of", "visit"], 2, "\"visit\" is not one of visits, bot,"),
        (&["adjust", "portal", "1", "--period", "2024", "--of", "visits", "--article", "/a"], 2, "cannot be used with"),
        (
            &["adjust", "portal", "-1", "--period", "2024", "--of", "visits"],
            1,
            "site portal has 0 visits in 2024, fewer than the 1 to take away",
        ),
        (&["adjust", "portal", "1"], 2, "--period <PERIOD>"),
        (&["adjust", "portal", "1", "--period", "2024", "--reason", "a\nb"], 2, "write up to 500 bytes on one line"),
        (&["adjust", "portal", "0", "--period", "2024"], 1, "0 views cannot be added or taken away"),
        (&["adjust", "portal", "1", "--period", "9000"], 1, "9000 is in the future"),
        (&["adjust", "portal", "1", "--period", "2024-W03"], 1, "2024-W03 is a week"),
        (
            &["adjust", "nowhere", "1", "--period", "2024"],
            1,
            "there is no site \"nowhere\"; configured: portal, khoa; and the store holds nothing",
        ),
        (&["rename", "portal", "/none", "/a"], 1, "article /none of site portal has no views"),
        (&["merge", "portal", "portal"], 1, "cannot be merged into itself"),
        (&["merge", "portal", "nowhere"], 1, "there is no site \"nowhere\""),
        (&["undo", "portal", "99"], 1, "has no correction 99"),
    ];
    for (arguments, expected, text) in cases {
        let (code, error) = fails(&place, arguments);
        assert!(code == expected && error.contains(text), "{arguments:?}: {code}: {error}");
    }
    assert_eq!(place.ok(&["export"]), before);
}
