//! Finds panics in tasks, which would otherwise go unnoticed.

use std::{cell::Cell, panic, sync::Once};

use tokio::runtime::{Builder, Runtime};

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// A runtime whose tasks all run on this thread.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs a future and fails if a task on this thread panicked, because tokio catches panics and their callers ignore them.
pub(crate) fn block_on<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    static HOOK: Once = Once::new();
    // After bolero's own hook, which it sets before its first input.
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
    let before = PANICS.get();
    let answer = runtime.block_on(future);
    assert_eq!(PANICS.get(), before, "a task panicked");
    answer
}
