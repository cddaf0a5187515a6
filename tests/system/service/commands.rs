//! The command line: its output and exit codes.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::{files::place, process::eventually};

#[test]
fn check_succeeds_also_while_the_service_runs() {
    let place = place();
    let check = place.run(&["check"]);
    assert_eq!(check.code, Some(0), "{}", check.err);
    assert!(check.out.contains("portal (Asia/Ho_Chi_Minh), khoa (Asia/Ho_Chi_Minh)"), "{}", check.out);
    assert!(check.out.contains(&place.journal().display().to_string()), "{}", check.out);
    assert!(check.out.contains(&place.store().display().to_string()), "{}", check.out);
    let service = place.start();
    let check = place.run(&["check"]);
    assert_eq!(check.code, Some(0), "{}", check.err);
    assert!(check.out.contains("in use by a running truycap"), "{}", check.out);
    service.stop();
}

#[test]
fn an_invalid_configuration_ends_every_command_with_code_2_and_a_list_of_all_mistakes() {
    let place = place();
    let file = place.write("wrong.toml", "color = \"red\"\n[store]\nflush_interval = \"1h\"\n[journal]\nretain = 5\n");
    for command in ["check", "serve", "export"] {
        let wrong = place.clone().with("LOG__LEVEL", "loud").run(&[command, "--config", &file]);
        assert_eq!(wrong.code, Some(2), "{}", wrong.err);
        // The environment overrides the interval in the file, but its log level is invalid.
        for mistake in ["color", "retain", "TRUYCAP_LOG__LEVEL"] {
            assert!(wrong.err.contains(mistake), "{mistake} is not in: {}", wrong.err);
        }
    }
    assert!(!place.journal().exists() && !place.store().exists(), "a file was created for an invalid configuration");
    let missing = place.run(&["check", "--config", "/nowhere/truycap.toml"]);
    assert_eq!(missing.code, Some(2), "{}", missing.err);
    assert!(missing.err.contains("/nowhere/truycap.toml"), "{}", missing.err);
}

#[test]
fn a_journal_that_is_the_file_of_the_store_by_another_name_is_refused_by_every_command() {
    let place = place();
    let store = place.store();
    let other = store.parent().unwrap().join("new/..").join(store.file_name().unwrap());
    let place = place.with_journal(other.display().to_string());
    for command in ["check", "serve", "export"] {
        let finished = place.run(&[command]);
        assert_eq!(finished.code, Some(2), "{command}: {}", finished.err);
        assert!(finished.err.contains("which is also the file of store.url"), "{}", finished.err);
    }
    assert!(!place.store().exists());
}

#[test]
fn an_unknown_option_or_command_ends_with_code_2() {
    let place = place();
    for wrong in ["--verbose", "count"] {
        let finished = place.run(&[wrong]);
        assert_eq!(finished.code, Some(2), "{}", finished.err);
        assert!(finished.err.contains(wrong) && finished.out.is_empty(), "{finished:?}");
    }
}

#[test]
fn help_and_version_are_printed_on_standard_output() {
    let place = place();
    let help = place.run(&["--help"]);
    assert_eq!(help.code, Some(0));
    let documents = include_str!("../../../docs/cli.md");
    for command in ["serve", "import", "export", "figures", "explain", "check", "journal", "health", "reload", "config", "completions"] {
        assert!(help.out.contains(command), "{}", help.out);
        let own = place.ok(&[command, "--help"]);
        assert!(own.contains("Examples:") && own.contains(&format!("truycap {command}")), "{own}");
        let section = documents.split("\n## ").find(|section| section.starts_with(&format!("truycap {command}\n"))).unwrap();
        for option in own.split_whitespace().filter(|word| word.starts_with("--") && !["--help", "--config"].contains(word)) {
            assert!(section.contains(option), "docs/cli.md does not describe {command} {option}");
        }
    }
    assert!(help.out.contains("Exit codes:") && help.out.contains("Environment:"), "{}", help.out);
    let version = place.run(&["--version"]);
    assert_eq!(version.code, Some(0));
    let rest = version.out.strip_prefix(concat!("truycap ", env!("CARGO_PKG_VERSION"), " (")).and_then(|rest| rest.split_once(")\n"));
    let (commit, zones) = rest.unwrap_or_else(|| panic!("{}", version.out));
    assert!(!commit.is_empty(), "{}", version.out);
    let year = zones.strip_prefix("time zone database ").and_then(|zones| zones.get(..4)?.parse::<u32>().ok());
    assert!(year.is_some_and(|year| year >= 2025), "{}", version.out);
}

#[test]
fn completions_are_written_for_every_shell_whatever_the_configuration() {
    let place = place().with("LOG__LEVEL", "loud");
    for shell in ["bash", "zsh", "fish"] {
        let script = place.ok(&["completions", shell]);
        assert!(script.contains("truycap") && script.contains("figures"), "{script}");
    }
}

#[test]
fn health_reports_whether_the_running_service_accepts_views() {
    let place = place();
    let service = place.start();
    let place = place.with("LISTEN__ADMIN", &service.admin);
    // The store answers a moment after the start.
    eventually("the store answers", || (place.run(&["health"]).out == "ready: journal ok, store ok\n").then_some(()));
    let json: Value = serde_json::from_str(&place.ok(&["health", "--json"])).unwrap();
    assert_eq!(json, json!({ "ready": true, "journal": "ok", "store": "ok" }));
    // A listener on all interfaces is reached on the loopback address.
    let port = service.admin.rsplit(':').next().unwrap();
    assert_eq!(place.clone().with("LISTEN__ADMIN", &format!("0.0.0.0:{port}")).run(&["health"]).code, Some(0));
    // The public listener is not an admin listener.
    let other = place.clone().with("LISTEN__ADMIN", &service.public).with("LISTEN__PUBLIC", &service.admin).run(&["health"]);
    assert_eq!(other.code, Some(1), "{}", other.err);
    assert!(other.err.contains("is not truycap"), "{}", other.err);
    service.stop();
    let gone = place.run(&["health"]);
    assert_eq!(gone.code, Some(1), "{}", gone.err);
    assert!(gone.err.contains("did not answer"), "{}", gone.err);
    // Nothing listens on port 0.
    assert_eq!(place.with("LISTEN__ADMIN", "127.0.0.1:0").run(&["health"]).code, Some(1));
}

#[test]
fn health_does_not_wait_for_a_service_that_hangs() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = place().with("LISTEN__ADMIN", &hanging.local_addr().unwrap().to_string());
    let finished = place.run(&["health"]);
    assert_eq!(finished.code, Some(1), "{}", finished.err);
    assert!(finished.err.contains("did not answer"), "{}", finished.err);
}

#[test]
fn commands_print_json_if_requested() {
    let place = place();
    let parse = |text: String| serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let file = place.write("past.csv", "site,article,period,views\nportal,/1,2025,7\n");
    let imported = parse(place.ok(&["import", "--json", &file]));
    let added = json!({ "views": 0, "older": 0, "years": {}, "months": {}, "article_rows": 1, "article_views": 7, "visits": 0 });
    assert_eq!(
        imported,
        json!({
            "file": file, "dry_run": false, "rows": 1, "chunks": 1, "applied": 1, "left_out": {}, "for_no_article": {}, "ids_changed": 0,
            "sites": [{ "site": "portal", "number": 1, "added": added }],
            "warnings": ["the file has views of articles of portal and none of the site, whose own figures stay as they are"],
        })
    );
    let figures = parse(place.ok(&["figures", "portal", "--article", "/1", "--json"]));
    assert_eq!((&figures["site"], &figures["article"], &figures["figures"]["total"]), (&json!("portal"), &json!("/1"), &json!(7)));
    let check = parse(place.ok(&["check", "--json"]));
    assert_eq!((&check["ok"], &check["journal"]["in_use"], &check["store"]["error"]), (&json!(true), &json!(false), &Value::Null));
    let broken = place.with_journal("/proc/nowhere/journal.db").run(&["check", "--json"]);
    assert_eq!(broken.code, Some(1), "{}", broken.err);
    let report = parse(broken.out);
    assert_eq!(report["ok"], false);
    assert!(broken.err.contains(report["journal"]["error"].as_str().unwrap()), "{report}");
}

#[test]
fn a_port_in_use_is_reported_and_no_file_is_created() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for listener in ["LISTEN__PUBLIC", "LISTEN__ADMIN"] {
        let place = place().with(listener, &address);
        let finished = place.run(&["serve"]);
        assert_eq!(finished.code, Some(1), "{}", finished.err);
        assert!(finished.err.contains(&address), "{}", finished.err);
        assert!(!place.journal().exists() && !place.store().exists());
    }
}

#[test]
fn figures_prints_nine_numbers_and_lists_the_sites_if_one_is_unknown() {
    let place = place();
    let service = place.start();
    for _ in 0..3 {
        service.count("portal", "/1");
    }
    service.stop();
    let unknown = place.run(&["figures", "elsewhere"]);
    assert_eq!(unknown.code, Some(1), "{}", unknown.err);
    assert!(unknown.err.contains("elsewhere") && unknown.err.contains("portal, khoa"), "{}", unknown.err);
    for (arguments, total) in
        [(vec!["portal"], 3), (vec!["khoa"], 0), (vec!["portal", "--article", "/1"], 3), (vec!["portal", "--article", "/2"], 0)]
    {
        let arguments: Vec<_> = ["figures"].into_iter().chain(arguments).collect();
        let figures = place.run(&arguments);
        assert_eq!(figures.code, Some(0), "{}", figures.err);
        let lines: Vec<_> = figures.out.lines().collect();
        assert_eq!((lines.len(), lines[0]), (9, format!("total       {total}").as_str()), "{}", figures.out);
    }
}

#[test]
fn commands_that_only_read_the_store_do_not_create_it() {
    let place = place().with_journal("data/journal.db").with_store("data/truycap.db");
    for command in [vec!["export"], vec!["export", "--site", "portal"], vec!["figures", "portal"]] {
        let finished = place.run(&command);
        assert_eq!((finished.code, &*finished.out), (Some(1), ""), "{}", finished.err);
        assert!(finished.err.starts_with("truycap: there is no store sqlite:data/truycap.db"), "{}", finished.err);
    }
    assert!(!place.path("data").exists());
}

#[test]
fn an_export_of_a_site_that_is_neither_configured_nor_in_the_store_is_refused() {
    let place = place();
    let service = place.start();
    service.count("khoa", "/1");
    service.stop();
    let misspelt = place.run(&["export", "--site", "koha"]);
    assert_eq!(misspelt.code, Some(1), "{}", misspelt.err);
    assert!(misspelt.err.starts_with("truycap: there is no site koha"), "{}", misspelt.err);
    // A configured site can be without views.
    assert_eq!(place.ok(&["export", "--site", "portal"]), "site,article,bucket,views\n");
    // A site that was removed from the configuration is still in the store.
    let taken_out = place.clone().with("SITES", "[{ id = \"portal\", origins = [\"https://portal.example.vn\"] }]");
    assert!(taken_out.ok(&["export", "--site", "khoa"]).contains("khoa,/1,total,1\n"));
}

#[test]
fn an_environment_variable_overrides_the_file() {
    let place = place();
    let file = place.write(
        "truycap.toml",
        "[[sites]]\nid = \"from-the-file\"\norigins = [\"https://example.vn\"]\n[store]\nurl = \"sqlite:from-the-file.db\"\n",
    );
    let check = place.run(&["--config", &file, "check"]);
    assert_eq!(check.code, Some(0), "{}", check.err);
    assert!(check.out.contains("portal") && !check.out.contains("from-the-file"), "{}", check.out);
    assert!(!place.path("from-the-file.db").exists());
}
