//! A process that does not outlive the test, and its output.

use std::{
    fs,
    io::Read,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The output of a stream so far; empty if the stream is not piped to the test.
#[derive(Debug)]
struct Captured {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    fn new(stream: Option<impl Read + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let reader = stream.map(|mut stream| {
            let copy = Arc::clone(&text);
            thread::spawn(move || {
                let mut part = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut part) {
                    copy.lock().unwrap().extend_from_slice(&part[..length]);
                }
            })
        });
        Self { text, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }
}

/// How a process ended; the code is `None` if a signal ended it.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A process, killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    out: Captured,
    err: Captured,
}

impl Process {
    /// Starts a process, and captures its output.
    pub fn spawn(mut command: Command) -> Self {
        Self::new(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Takes over a process, and captures those of its streams that are pipes and have not been taken.
    pub fn new(mut child: Child) -> Self {
        let (out, err) = (Captured::new(child.stdout.take()), Captured::new(child.stderr.take()));
        Self { child, out, err }
    }

    /// The standard output so far.
    pub fn printed(&self) -> String {
        self.out.so_far()
    }

    /// The standard error so far.
    pub fn log(&self) -> String {
        self.err.so_far()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait(mut self, patience: Duration) -> Finished {
        let deadline = Instant::now() + patience;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "still running after {patience:?}: {}", self.log());
            thread::sleep(Duration::from_millis(2));
        };
        Finished { code: status.code(), out: self.out.whole(), err: self.err.whole() }
    }

    /// Kills it (SIGKILL).
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let output = Command::new("kill").args(["-s", name, &self.id().to_string()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // libfaketime leaves these behind when the process is killed.
        let id = self.id();
        for name in [format!("faketime_shm_{id}"), format!("sem.faketime_sem_{id}")] {
            let _ = fs::remove_file(format!("/dev/shm/{name}"));
        }
    }
}
