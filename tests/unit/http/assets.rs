//! The files that pages load: as small as promised, cached by browsers, usable from every origin.

use std::io::Read;

use super::server::{Answer, Options, Server, start};

/// Path and `Content-Type` of the files that portals and reports load.
const FILES: [(&str, &str); 5] = [
    ("/counter.js", "text/javascript; charset=utf-8"),
    ("/widget.js", "text/javascript; charset=utf-8"),
    ("/widget.css", "text/css; charset=utf-8"),
    ("/box.css", "text/css; charset=utf-8"),
    ("/report.css", "text/css; charset=utf-8"),
];

/// Requests a file with `Accept-Encoding`.
fn accepting(server: &Server, path: &str, accepted: &str) -> Answer {
    server.ask("GET", path, &[&format!("Accept-Encoding: {accepted}")], "")
}

/// The decompressed body.
fn decoded(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    match answer.header("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut plain).unwrap(),
        Some("br") => brotli::Decompressor::new(&*answer.body, 4096).read_to_end(&mut plain).unwrap(),
        None => return answer.body.clone(),
        other => panic!("{other:?}"),
    };
    plain
}

#[test]
fn scripts_and_styles_are_served_with_and_without_the_demo() {
    for demo in [true, false] {
        let server = start(Options { demo, ..Options::default() });
        for (path, kind) in FILES {
            let answer = server.get(path);
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
            assert!(answer.text().contains(if ["/box.css", "/report.css"].contains(&path) { "body" } else { "truycap" }));
            let head = server.ask("HEAD", path, &[], "");
            assert_eq!((head.status, head.header("content-length")), (200, answer.header("content-length")));
            let refused = server.ask("POST", path, &[], "");
            assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
        }
    }
}

#[test]
fn scripts_and_styles_have_at_most_two_and_a_half_kibibytes_when_compressed() {
    let server = start(Options::default());
    // Portals do not load the style of the report.
    for (path, _) in FILES.into_iter().filter(|(path, _)| *path != "/report.css") {
        for coding in ["gzip", "br"] {
            let answer = accepting(&server, path, coding);
            assert_eq!(answer.header("content-encoding"), Some(coding));
            assert!(answer.body.len() <= 2560, "{path} has {} bytes as {coding}", answer.body.len());
        }
    }
}

#[test]
fn a_file_is_served_in_the_preferred_encoding_and_is_the_same_in_each() {
    let server = start(Options { demo: false, ..Options::default() });
    let cases = [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip, deflate", Some("gzip")),
        ("GZIP;q=0.5", Some("gzip")),
        ("br;q=0.5, gzip;q=0.501", Some("gzip")),
        ("br ; q=0, gzip;q=0.000", None),
        ("br;Q=0, gzip", Some("gzip")),
        ("br;Q=0.5, gzip;q=0.501", Some("gzip")),
        ("br;q=0, *", Some("gzip")),
        ("*;q=0", None),
        ("identity, br;q=0.9", None),
        ("zstd", None),
        ("", None),
        ("br;q=much, gzip;q=5, ;;,", None),
        ("identity;q=0, br", Some("br")),
    ];
    for (path, _) in FILES {
        let plain = server.get(path).body;
        for (accepted, coding) in cases {
            let answer = accepting(&server, path, accepted);
            assert_eq!((answer.status, answer.header("content-encoding")), (200, coding), "{accepted:?}");
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
            assert!(decoded(&answer) == plain, "{path} as {coding:?}");
        }
    }
}

#[test]
fn a_browser_caches_a_file_for_an_hour_and_then_revalidates_it() {
    let server = start(Options::default());
    for (path, _) in FILES {
        let mut tags = Vec::new();
        for coding in ["br", "gzip", "identity"] {
            let first = accepting(&server, path, coding);
            assert_eq!(first.header("cache-control"), Some("public, max-age=3600"));
            let tag = first.header("etag").unwrap().to_owned();
            assert!(tag.starts_with('"'), "{tag} is weak");
            let again = |known: &str| {
                let headers = [format!("Accept-Encoding: {coding}"), format!("If-None-Match: {known}")];
                server.ask("GET", path, &headers.each_ref().map(String::as_str), "")
            };
            for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
                let answer = again(&known);
                assert_eq!((answer.status, &*answer.body), (304, &b""[..]), "{known}");
                for header in ["etag", "cache-control", "vary", "access-control-allow-origin"] {
                    assert_eq!(answer.header(header), first.header(header), "{header}");
                }
            }
            assert_eq!(again("\"other\"").body, first.body);
            assert!(!tags.contains(&tag), "two encodings share {tag}");
            tags.push(tag);
        }
    }
}

#[test]
fn pages_of_every_origin_can_use_the_files() {
    let server = start(Options::default());
    for (path, _) in FILES {
        let answer = server.ask("GET", path, &["Origin: https://elsewhere.example"], "");
        for (header, value) in
            [("access-control-allow-origin", "*"), ("cross-origin-resource-policy", "cross-origin"), ("x-content-type-options", "nosniff")]
        {
            assert_eq!(answer.header(header), Some(value), "{header}");
        }
    }
}
