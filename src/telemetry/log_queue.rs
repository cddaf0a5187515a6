//! A bounded queue between the log and standard error, so that a reader that stalls never blocks the service.
//!
//! A pipe whose reader stalls, or a slow disk, blocks a write to standard error for as long as it lasts. So only one thread
//! writes there. All others append their lines to a queue, and a line that does not fit in is left out: it is counted, and a
//! line in its place says how many were.
//!
//! `tracing-appender` has such a thread too, but its queue has no bound in bytes, its lost lines leave no mark in the log, and
//! its end can block on a standard output that is not read.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, ErrorKind, Write},
    mem,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use prometheus::IntCounter;
use tracing::error;
use tracing_subscriber::fmt::MakeWriter;

/// The lines that wait for standard error take so many bytes at most.
const MAX_BYTES: usize = 1 << 20;

/// And are so many at most: short lines take more memory than their bytes.
const MAX_LINES: usize = 8192;

/// How long to wait if standard error is a pipe that does not block and is full.
const FULL_PIPE_PAUSE: Duration = Duration::from_millis(10);

/// Lines that are not in the log, since the start of the process.
static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the name is a constant")]
    IntCounter::new("truycap_log_lines_dropped_total", "Log lines that were left out because standard error did not take them in time.")
        .expect("the name of a metric is valid")
});

static QUEUE: LogQueue = LogQueue { waiting: Mutex::new(Waiting::new()), changed: Condvar::new() };

thread_local! {
    /// What the thread that writes logs itself, which does not go through the queue; `None` on all other threads.
    static OWN_LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The counter of lines that were left out.
pub(super) fn dropped() -> IntCounter {
    DROPPED.clone()
}

/// Starts the thread that writes to standard error what is written to a [`LogWriter`].
pub(super) fn start() -> io::Result<()> {
    thread::Builder::new().name("log".into()).spawn(|| {
        OWN_LINES.set(Some(Vec::new()));
        let mut stderr = StandardError::default();
        loop {
            stderr.put(QUEUE.next());
        }
    })?;
    Ok(())
}

/// Waits until all lines are written, or until `patience` is over.
pub(super) fn flush(patience: Duration) {
    let deadline = Instant::now() + patience;
    let mut waiting = QUEUE.waiting.lock();
    while !waiting.is_idle() && !QUEUE.changed.wait_until(&mut waiting, deadline).timed_out() {}
}

/// Appends each line to the queue; never blocks, and never fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogWriter;

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl Write for LogWriter {
    /// The log writes each line, with its end, in one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let own = OWN_LINES.with_borrow_mut(|own| own.as_mut().map(|own| own.extend_from_slice(line)));
        if own.is_none() {
            QUEUE.push(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What waits in the queue.
#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    /// So many lines were left out here.
    LeftOut(u64),
}

#[derive(Debug)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    /// An item has been taken and is not written yet.
    writing: bool,
}

impl Waiting {
    const fn new() -> Self {
        Self { items: VecDeque::new(), bytes: 0, writing: false }
    }

    fn is_idle(&self) -> bool {
        self.items.is_empty() && !self.writing
    }
}

#[derive(Debug)]
struct LogQueue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl LogQueue {
    fn push(&self, line: &[u8]) {
        let mut waiting = self.waiting.lock();
        if waiting.items.len() < MAX_LINES && waiting.bytes + line.len() <= MAX_BYTES {
            waiting.bytes += line.len();
            waiting.items.push_back(Item::Line(line.to_vec()));
        } else {
            DROPPED.inc();
            match waiting.items.back_mut() {
                Some(Item::LeftOut(lines)) => *lines += 1,
                _ => waiting.items.push_back(Item::LeftOut(1)),
            }
        }
        self.changed.notify_all();
    }

    /// Waits for the next item; the one before it is written.
    fn next(&self) -> Item {
        let mut waiting = self.waiting.lock();
        waiting.writing = false;
        loop {
            if let Some(item) = waiting.items.pop_front() {
                if let Item::Line(line) = &item {
                    waiting.bytes -= line.len();
                }
                waiting.writing = true;
                return item;
            }
            self.changed.notify_all();
            self.changed.wait(&mut waiting);
        }
    }
}

/// Standard error, as the thread that writes to it sees it.
#[derive(Debug, Default)]
struct StandardError {
    /// Left-out lines that are not reported yet.
    left_out: u64,
    /// The last write failed in the middle of a line.
    cut: bool,
}

impl StandardError {
    fn put(&mut self, item: Item) {
        match item {
            Item::Line(line) => {
                self.report();
                if self.write(&line).is_err() {
                    DROPPED.inc();
                    self.left_out += 1;
                }
            }
            Item::LeftOut(lines) => {
                self.left_out += lines;
                self.report();
            }
        }
    }

    /// Says how many lines are missing, if any are.
    fn report(&mut self) {
        if self.left_out == 0 {
            return;
        }
        // An error, so that it is there at every level.
        error!(event = "log_lines_left_out", lines = self.left_out, "log lines were left out: standard error did not take them in time");
        let line = OWN_LINES.with_borrow_mut(|own| own.as_mut().map(mem::take)).unwrap_or_default();
        if self.write(&line).is_ok() {
            self.left_out = 0;
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let ends_cut_line = mem::take(&mut self.cut);
        let parts = [if ends_cut_line { b"\n".as_slice() } else { b"" }, line];
        for mut rest in parts {
            while !rest.is_empty() {
                match io::stderr().write(rest) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(written) => {
                        self.cut = written < rest.len();
                        rest = &rest[written..];
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // Another process has made the pipe one that does not block.
                    Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PIPE_PAUSE),
                    Err(error) => {
                        self.cut |= ends_cut_line;
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }
}
