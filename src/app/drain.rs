//! Applies what waits in a journal, without counting: for an instance that is removed.
//!
//! Journal, store and recorder are those of the service, so there is no second way in which views are applied.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tracing::warn;

use super::{FINISH_CLOSING, FINISH_RECORDING, Remaining, RunError, StartError, log_gone, open_journal_and_store};
use crate::{
    config::Config,
    journal::{Backlog, Journal},
    recorder::{self, Failure},
};

/// How a drain has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// What waited at the beginning, by what the journal knew.
    pub before: Backlog,
    /// What still waits.
    pub after: Backlog,
    /// Whether the store has answered for every site of the journal, and has all its views.
    pub complete: bool,
}

/// Applies everything in the journal to the store, also of sites that are not configured. Ends early after `patience`, or at
/// SIGTERM or SIGINT.
///
/// # Errors
/// If journal or store cannot be opened, or the journal fails. If its file is gone, what it held is applied first.
pub async fn drain(config: &Config, patience: Duration) -> Result<DrainReport, RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let (journal, store) = open_journal_and_store(config)?;
    let (handle, mut recorder) = recorder::spawn(
        config.recorder.clone(),
        // Sites that the journal names are applied without it, and the sections in the store are left to the instances that go on.
        Vec::new(),
        Arc::clone(&journal) as Arc<dyn Journal>,
        Arc::clone(&store),
        Utc::now,
    )
    .await
    .map_err(StartError::ReadJournal)?;
    let before = handle.backlog();
    let ended = tokio::select! {
        ended = timeout(patience, recorder.run_dry()) => ended,
        _ = terminate.recv() => Ok(Ok(())),
        _ = interrupt.recv() => Ok(Ok(())),
    };
    let complete = handle.is_dry();
    let gone = match ended {
        Ok(Err(Failure::Gone(reason))) => Some(reason),
        Ok(Err(failure)) => return Err(failure.into()),
        _ => None,
    };
    gone.iter().for_each(|reason| log_gone(reason));
    // Also writes into the journal how far the store is. Without the file, this is the last chance of what is in memory.
    let drained = recorder.shutdown(FINISH_RECORDING).await;
    let _late = timeout(FINISH_CLOSING, store.close()).await;
    if let Some(reason) = gone {
        Remaining::Lost.report(&drained);
        return Err(Failure::Gone(reason).into());
    }
    let after = drained.waiting;
    if let Ok(Ok(Err(error))) = timeout(FINISH_CLOSING, tokio::task::spawn_blocking(move || journal.close())).await {
        warn!(event = "journal_not_closed", %error, "the journal was not closed cleanly; nothing is lost");
    }
    Ok(DrainReport { before, complete: complete && after.is_empty(), after })
}
