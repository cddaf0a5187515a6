//! What is wrong with the store, as one site sees it.

use crate::store::StoreError;

/// The two kinds of calls: a store may be able to read and not to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Ask,
    Apply,
}

/// What is wrong with the store, as a site sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    #[default]
    None,
    /// It may work later.
    Away,
    /// Nothing that time heals: somebody has to look at this site.
    Lasting,
}

impl Fault {
    pub(super) fn of<T>(answer: &Result<T, StoreError>) -> Self {
        match answer {
            Ok(_) => Self::None,
            Err(StoreError::Corrupt(_) | StoreError::TooMany { .. }) => Self::Lasting,
            Err(StoreError::NotApplied(_) | StoreError::PerhapsApplied(_)) => Self::Away,
        }
    }
}

/// What was wrong, and what is now.
pub(super) type Turn = (Fault, Fault);

/// How the calls of each kind failed when they were made last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failing {
    ask: Fault,
    apply: Fault,
}

impl Failing {
    pub(super) fn ask(self) -> Fault {
        self.ask
    }

    /// What is wrong with either.
    pub(super) fn fault(self) -> Fault {
        self.ask.max(self.apply)
    }

    /// A call ended; answers whether that changes what is wrong.
    pub(super) fn turn(&mut self, call: Call, fault: Fault) -> Option<Turn> {
        let before = self.fault();
        match call {
            Call::Ask => self.ask = fault,
            Call::Apply => self.apply = fault,
        }
        let after = self.fault();
        (before != after).then_some((before, after))
    }
}
