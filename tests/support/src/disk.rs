//! A small file system that a test can fill, in a mount namespace of its own, so that nothing stays behind.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

/// A tmpfs. A process holds it, in whose namespace it is mounted; it ends with its standard input, that is, with the test.
#[derive(Debug)]
pub struct Disk {
    pub holder: Child,
    _input: ChildStdin,
    mount: PathBuf,
}

/// Whether mounting needs no namespace of users.
pub fn as_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line.starts_with("Uid:\t0\t0\t"))
}

impl Disk {
    /// Mounts one at `mount` that holds `mebibytes`.
    pub fn new(mount: &Path, mebibytes: u32) -> Self {
        fs::create_dir(mount).unwrap();
        let user: &[&str] = if as_root() { &[] } else { &["--user", "--map-root-user"] };
        let script = "mount -t tmpfs -o size=\"$1\"m tmpfs \"$2\" && echo mounted && exec cat";
        let mut holder = Command::new("unshare");
        holder.args(user).args(["--mount", "sh", "-c", script, "sh", &mebibytes.to_string()]).arg(mount);
        let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`unshare` of util-linux is needed");
        let (input, output) = (holder.stdin.take().unwrap(), holder.stdout.take().unwrap());
        let disk = Self { holder, _input: input, mount: mount.into() };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(
            line, "mounted\n",
            "these tests need a small tmpfs: run them as root with CAP_SYS_ADMIN, or where users may make namespaces \
             (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)"
        );
        disk
    }

    /// A file on it, as processes outside of the namespace reach it; not those that look behind links, as SQLite does.
    pub fn path(&self, name: &str) -> PathBuf {
        let mount = self.mount.strip_prefix("/").unwrap();
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(mount).join(name)
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        let mut file = File::options().append(true).create(true).open(self.path("ballast")).unwrap();
        let error = loop {
            if let Err(error) = file.write_all(&[b'x'; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    /// Gives the room back.
    pub fn empty(&self) {
        fs::remove_file(self.path("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
