//! What is compared.

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Bare,
    Sqlite,
    Redis,
    /// The same on a port instead of a socket, as the next two.
    Port,
    /// A cluster of three primaries.
    Cluster,
    /// A cluster with a replica of each.
    Replicated,
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare hyper",
            Self::Sqlite => "truycap, SQLite",
            Self::Redis => "truycap, Redis",
            Self::Port => "truycap, one primary",
            Self::Cluster => "truycap, three primaries",
            Self::Replicated => "truycap, three primaries with replicas",
        }
    }
}
