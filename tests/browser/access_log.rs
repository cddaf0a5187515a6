//! The script in a browser and an import of the web server's log count the same views alike.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;
use truycap_test_support::ports::free_address;

use crate::{
    driver::Browser,
    process::{Place, child::Process, client::Client, eventually},
};

/// nginx with pages in a directory, and its log in the combined format.
struct Nginx {
    process: Process,
    address: String,
    dir: TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if !self.process.has_ended() {
            // nginx's workers outlive a master that is killed.
            self.process.signal("TERM");
            eventually("nginx ends", || self.process.has_ended().then_some(()));
        }
    }
}

impl Nginx {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let address = free_address().to_string();
        let path = |name: &str| dir.path().join(name).display().to_string();
        fs::create_dir(path("pages")).unwrap();
        let bodies: String =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(|name| format!("{name}_temp_path {};\n", path(name))).collect();
        let user = if truycap_test_support::disk::as_root() { "user root;" } else { "" };
        // As the pages of most portals: browsers ask each time whether they have changed.
        let server = format!("server {{ listen {address}; root {}; expires -1; charset utf-8; error_page 404 /404.html; }}", path("pages"));
        let types = "types { text/html html; text/css css; } default_type text/html;";
        let config = format!(
            "{user} daemon off; worker_processes 1; pid {}; error_log stderr;\nevents {{ worker_connections 64; }}\n\
             http {{ {types} {bodies} access_log {} combined; {server} }}\n",
            path("pid"),
            path("access.log")
        );
        fs::write(path("nginx.conf"), config).unwrap();
        let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let mut command = Command::new(program);
        command.args(["-e", "stderr", "-p"]).arg(dir.path()).args(["-c", &path("nginx.conf")]);
        let mut process = Process::spawn(command);
        eventually("nginx listens", || {
            assert!(!process.has_ended(), "{}", process.log());
            Client::connect(&address).ok()
        });
        Self { process, address, dir }
    }

    fn page(&self, path: &str, text: &str) {
        let file = self.dir.path().join("pages").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("<!doctype html><link rel=stylesheet href=/site.css><title>x</title>{text}")).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("access.log")).unwrap()
    }
}

#[test]
fn the_script_and_the_log_of_the_same_views_have_equal_counts() {
    let nginx = Nginx::start();
    let origin = format!("http://{}", nginx.address);
    let configured = || {
        let place = Place::new();
        place.write("truycap.toml", format!("demo = false\n[[sites]]\nid = \"portal\"\norigins = [\"{origin}\"]\n"));
        place
    };
    let (by_script, by_log) = (configured(), configured());
    let service = by_script.start();
    service.site("portal");
    for file in ["site.css", "favicon.ico"] {
        nginx.page(file, "");
    }
    nginx.page("index.html", &service.tag("data-article=none"));
    // The second spelling of a name has its accents apart.
    for path in ["tin/1/index.html", "tin/đường sắt/index.html", "văn-bản.html", "va\u{306}n-ba\u{309}n.html", "404.html"] {
        nginx.page(path, &service.tag(""));
    }

    let browser = Browser::start();
    let mut views = 0;
    let mut open = |path: &str| {
        browser.open(&format!("{origin}{path}"));
        views += 1;
        eventually(path, || (service.site("portal")[0] == views).then_some(()));
    };
    for path in ["/", "/?utm_source=x", "/tin/1/", "/tin/1/index.html", "/tin/1/?page=2#top", "/tin/1/", "/tin/đường sắt/"] {
        open(path);
    }
    for path in ["/tin/%C4%91%c6%b0%e1%bb%9dng%20s%E1%BA%AFt/", "/văn-bản.html", "/v%C4%83n-b%E1%BA%A3n.html", "/va%CC%86n-ba%CC%89n.html"]
    {
        open(path);
    }
    let import = |options: &[&str]| -> Value {
        let log = by_log.write("access.log", nginx.log());
        let printed = by_log.ok(&[&["import", "--format", "combined", "--site", "portal", "--json", &log], options].concat());
        serde_json::from_str(&printed).unwrap()
    };
    let summary = import(&[]);
    assert_eq!((&summary["views"], &summary["not_understood"]["lines"]), (&11.into(), &0.into()), "{summary}");
    let by_log_counted = by_log.ok(&["export"]);
    assert!(by_log_counted.contains("/tin/đường sắt,total,2\n") && by_log_counted.contains("/văn-bản.html,total,3\n"), "{by_log_counted}");
    eventually("the same counts", || (by_script.ok(&["export"]) == by_log_counted).then_some(()));

    // The page of an error has the script too. What the log leaves out is named with its line.
    open("/không-có");
    let summary = import(&["--dry-run"]);
    let lines = nginx.log();
    let line = summary["left_out"]["status"]["first"][0].as_u64().unwrap();
    assert_eq!((&summary["views"], &summary["left_out"]["status"]["lines"]), (&0.into(), &1.into()), "{summary}");
    assert!(lines.lines().nth(usize::try_from(line).unwrap() - 1).unwrap().contains("GET /kh%C3%B4ng-c%C3%B3 HTTP/1.1\" 404 "), "{lines}");
}
