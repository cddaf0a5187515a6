//! A small file system that a test can fill. It is in its own mount namespace, so that nothing is left behind.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

/// A tmpfs, mounted in the namespace of a holder process. The holder ends with its standard input, that is, with the test.
#[derive(Debug)]
pub struct Disk {
    pub holder: Child,
    _input: ChildStdin,
    mount: PathBuf,
}

/// Whether the test runs as root, so that mounting needs no user namespace.
pub fn as_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line.starts_with("Uid:\t0\t0\t"))
}

impl Disk {
    /// Mounts a file system of `mebibytes` at `mount`.
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
            "these tests need a small tmpfs: run them as root with CAP_SYS_ADMIN, or allow users to create namespaces \
             (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)"
        );
        disk
    }

    /// The path of a file on it from outside of the namespace. It does not work for programs that resolve symbolic links, such
    /// as SQLite.
    pub fn path(&self, name: &str) -> PathBuf {
        let mount = self.mount.strip_prefix("/").unwrap();
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(mount).join(name)
    }

    /// Uses up all free space.
    pub fn fill(&self) {
        let mut file = File::options().append(true).create(true).open(self.path("ballast")).unwrap();
        let error = loop {
            if let Err(error) = file.write_all(&[b'x'; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    /// Frees the space again.
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
