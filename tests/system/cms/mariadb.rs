//! A MariaDB server with the tables of another system. It ends with the process that started it, even if that is killed.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::process::eventually;

/// Starts the server and prints its process id. When standard input ends, the server is killed and its files are deleted.
const WATCH: &str = r#"/usr/sbin/mariadbd "$@" >"$0/log" 2>&1 & echo $!; read -r _; kill -9 $!; wait; rm -rf -- "$0""#;

/// A server starts in a tenth of a second without its system tables and InnoDB; every table is MyISAM. The modes are the
/// strictest of MariaDB and MySQL.
const OPTIONS: [&str; 8] = [
    "--no-defaults",
    "--user=root",
    "--skip-networking",
    "--skip-grant-tables",
    "--skip-innodb",
    "--default-storage-engine=MyISAM",
    "--aria-log-file-size=8M",
    "--sql-mode=ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO",
];

pub(super) struct MariaDb {
    dir: PathBuf,
    watch: Child,
}

impl MariaDb {
    /// A server whose database `portal` has the given tables.
    pub(super) fn with(tables: &str) -> Self {
        let dir = TempDir::new().unwrap().keep();
        fs::create_dir(dir.join("data")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", WATCH]).arg(&dir).args(OPTIONS);
        command.arg(format!("--datadir={}/data", dir.display())).arg(format!("--socket={}/socket", dir.display()));
        let mut watch = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // After this line the watch has begun.
        BufReader::new(watch.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        let server = Self { dir, watch };
        eventually("mariadbd answers; scripts/set-up.sh installs it", || server.client("", "SELECT 1").ok());
        server.client("", "CREATE DATABASE portal CHARACTER SET utf8mb4").unwrap();
        server.run(tables);
        server
    }

    /// Runs statements, and returns the result as docs/moving.md writes it into a file.
    #[track_caller]
    pub(super) fn run(&self, sql: &str) -> String {
        self.client("portal", sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    fn client(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut command = Command::new("mariadb");
        command.arg("--no-defaults").arg(format!("--socket={}/socket", self.dir.display()));
        command.args(["--default-character-set=utf8mb4", "--batch", "--raw", database]);
        let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The client does not read it if the server is not there yet.
        let _ = client.stdin.take().unwrap().write_all(sql.as_bytes());
        let output = client.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}
